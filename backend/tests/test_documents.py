"""Commands in README and documentation work.

The URL of the service and the size of loads are changed; the verdict of a short load is ignored.
"""

import asyncio
import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

import pytest
from documents import PAGES, ROOT
from service import Service, run_backend
from straingauge.target.ports import free_port
from test_load_test import use_fast_password_hashes
from tests.performance.fault_injection.suite import BACKEND

pytestmark = pytest.mark.e2e

SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
LIMIT = "100/3second"
"""Rate limit of each user, with a short window, because a load test waits for its end."""

SHORT = {
    "LOAD_WAVES": "2",
    "POOL_ROUNDS": "2",
    "SUSTAINED_LOAD_S": "2",
    "LEAK_LOAD_S": "2",
    "SEED_SESSIONS": "500",
    "RATE_LIMIT_DEFAULT": LIMIT,
    "JOB_WORKER": "false",  # no command needs a transcript, and each takes seconds
    "JOB_TIMEOUT_S": "0",
}

NOT_EXECUTED = (
    "cd backend",  # the working directory of all commands
    "export DATABASE_URL=",  # the tests use another database
    "python -m alembic upgrade head",  # run by the fixture `make_database`
    "python -m app.seed",  # run by the fixture `environment`
    "python -m app.serve --reload",  # run by `Service`, without --reload
    "python deploy/sizing.py",  # test_sizing.py
    "python deploy/generate_secrets.py",  # test_deploy_hardening.py
    "docker compose ",  # needs Docker; test_deploy.py checks the file
    "WORKERS=3 docker compose ",
    "kubectl ",  # needs a cluster; test_deploy.py checks the manifests
    'curl -H "Authorization: Bearer $TOKEN"',  # run together by `test_control_of_a_running_load`
)
"""Prefixes of commands that are not executed here."""


def documented_commands() -> list[str]:
    """Return all commands of README and of the pages that are not tutorials."""
    texts = [(ROOT / "README.md").read_text(), *PAGES.values()]
    blocks = "\n".join(block for text in texts for block in SHELL.findall(text))
    lines = [re.sub(r"\s+# .*", "", line) for line in blocks.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line and not line.startswith(NOT_EXECUTED)]


@dataclass(frozen=True)
class Environment:
    """A service, and a folder for output files."""

    service: Service
    folder: Path

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command in a shell, in `backend/`."""
        env = {
            "API_BASE_URL": self.service.url,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        return subprocess.Popen(
            ["sh", "-c", command.replace("http://localhost:8000", self.service.url)],
            cwd=BACKEND,
            env=os.environ | SHORT | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str, *exit_codes: int) -> str:
        """Run a command and return its output."""
        with self.start(command) as process:
            try:
                output, _ = process.communicate(timeout=120)
            finally:
                process.kill()
        assert process.returncode in exit_codes, output
        return output


@pytest.fixture(scope="module")
def environment(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Environment]:
    """The service with a seeded database."""
    url, folder = make_database(), tmp_path_factory.mktemp("documents")
    run_backend("-m", "app.seed", "--sessions", "1000", database_url=url)
    asyncio.run(use_fast_password_hashes(url))
    service = Service(
        environment={
            "DATABASE_URL": url,
            "LOG_DIR": str(folder / "logs"),
            "STORAGE_DIR": str(folder / "audio"),
            "RATE_LIMIT_DEFAULT": LIMIT,
            "JOB_WORKER": SHORT["JOB_WORKER"],
        }
    )
    service.start()
    yield Environment(service, folder)
    service.stop()


def make(command: str, environment: Environment) -> None:
    """Run make with --dry-run, which checks target and variables."""
    environment.run(f"cd {quote(str(ROOT))} && {command} --dry-run", 0)


def load(options: str) -> Callable[[str, Environment], None]:
    """Return a function that runs a shorter load and checks that it writes a result."""

    def run(command: str, environment: Environment) -> None:
        results = environment.folder / f"{len(list(environment.folder.iterdir()))}"
        command = command.replace("--rate 2000", "--rate 50").replace("--warmup 5s", "--warmup 1s")
        command, stages = re.subn(r"--stage \w+:", "--stage 0.3s:", command)
        command = command.replace("capacity.html", f"{environment.folder}/capacity.html")
        changed = options.replace("--duration 1s", "") if stages else options
        output = environment.run(f"{command} {changed} {results}", 0, 1, 4)
        assert list(results.glob("*.json")), output
        assert " -o " not in command or (environment.folder / "capacity.html").exists()

    return run


def doctor(command: str, environment: Environment) -> None:
    """Run the checks, which may fail on a busy machine."""
    assert "ok" in environment.run(f"{command} --results {environment.folder}", 0, 3)


def draft(command: str, environment: Environment) -> None:
    """Create a suite, from the service or from captured requests."""
    target = environment.folder / f"draft{len(list(environment.folder.iterdir()))}"
    for name in CAPTURED:
        command = command.replace(name, f"{environment.folder}/{name}")
    _capture(environment)
    environment.run(f"{command} -o {target}", 0)
    assert (target / "journeys.py").exists()


def replay(command: str, environment: Environment) -> None:
    """Replay a log of four requests."""
    _capture(environment)
    for name in CAPTURED:
        command = re.sub(rf" {re.escape(name)}(?= |:|$)", f" {environment.folder}/{name}", command)
    results = environment.folder / f"{len(list(environment.folder.iterdir()))}"
    environment.run(f"{command} --results {results}", 0, 1, 4)
    assert list(results.glob("*.json"))


def _capture(environment: Environment) -> None:
    """Write the files of captured requests that the documentation names."""
    url = environment.service.url
    request = {"method": "GET", "url": f"{url}/health", "headers": []}
    entry = {"request": request, "response": {"status": 200}, "time": 1}
    entry["startedDateTime"] = "2026-11-28T13:56:00.000Z"
    har = {"log": {"version": "1.2", "creator": {"name": "test"}, "entries": [entry]}}
    item = {"name": "health", "request": {"method": "GET", "url": f"{url}/health"}}
    schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    collection = {"info": {"name": "shop", "schema": schema}, "item": [item]}
    log = "".join(
        f'127.0.0.1 - - [28/Nov/2026:13:56:{second:02} +0000] "GET /health HTTP/1.1" 200 2\n'
        for second in range(4)
    )
    proxied = "".join(
        f"haproxy[1]: 127.0.0.1:33317 [28/Nov/2026:13:56:{second:02}.655] front back/one"
        ' 0/0/1/2/3 200 2 - - ---- 1/1/0/0/0 0/0 "GET /health HTTP/1.1"\n'
        for second in range(4)
    )
    variables = {"name": "staging", "values": [{"key": "size", "value": "4", "enabled": True}]}
    contents = {
        "recorded.har": json.dumps(har).encode(),
        "collection.json": json.dumps(collection).encode(),
        "staging.json": json.dumps(variables).encode(),
        "command.txt": f"curl '{url}/health'\n".encode(),
        "access.log": log.encode(),
        "haproxy.log": proxied.encode(),
        "access.log.1.gz": gzip.compress(log.encode()),
        "ids.py": b"def renumber(request):\n    return request\n",
    }
    assert contents.keys() == set(CAPTURED)
    for name, content in contents.items():
        (environment.folder / name).write_bytes(content)


def read_results(command: str, environment: Environment) -> None:
    """Run a command that reads results, with results of two equal loads."""
    for results in (environment.folder / "OLD", environment.folder / "NEW"):
        if not results.exists():
            get = "straingauge run --get /health --duration 2s --rate 20"
            environment.run(f"{get} --results {results}", 0, 1, 4)
    if "baseline" in command:
        folder = f"--baselines {environment.folder}/baselines"
        save = f"straingauge baseline save main {environment.folder}/OLD/*.json --replace"
        environment.run(f"{save} {folder}", 0)
        command = f"{command} {folder}{' --replace' if ' save ' in command else ''}"
    command = re.sub(r"results/(OLD|NEW)\.json", rf"{environment.folder}/\1/*.json", command)
    command = command.replace("tests/performance/results/", f"{environment.folder}/NEW")
    environment.run(command.replace("history.html", f"{environment.folder}/history.html"), 0, 1)


def write_schema(command: str, environment: Environment) -> None:
    """Write a JSON Schema into the folder for output files."""
    environment.run(f"cd {quote(str(environment.folder))} && {command}", 0)
    (name,) = re.findall(r"-o (\S+)", command)
    assert json.loads((environment.folder / name).read_text())["title"]


def master_and_worker(command: str, environment: Environment) -> None:
    """Run the commands of master and worker together, on a free port."""
    commands = (line for line in documented_commands() if line.startswith("locust"))
    (worker,) = (line for line in commands if "--worker" in line)
    port, results = free_port(), environment.folder / "master"
    worker_process = environment.start(f"{worker} --master-port {port}")
    try:
        environment.run(
            f"{command} {LOCUST} {results} --expect-workers 1 --master-bind-port {port}", 0, 1, 4
        )
        assert list(results.glob("metrics_*.json"))
        worker_process.communicate(timeout=60)
        assert worker_process.returncode in {0, 1, 4}
    finally:
        if worker_process.poll() is None:
            worker_process.kill()
            worker_process.communicate()


LOCUST = "--headless --only-summary --users 2 --spawn-rate 2 --run-time 2s --load-results"
CAPTURED = (
    *("recorded.har", "collection.json", "staging.json", "command.txt"),
    *("access.log", "access.log.1.gz", "haproxy.log", "ids.py"),
)
"""Files of captured requests in documented commands."""

RUNNERS = {
    "make ": make,
    "straingauge run ": load("--duration 1s --results"),
    "straingauge ab ": load("--base HEAD --budget 1s --warmup 200ms --results"),
    "straingauge capacity ": load(
        "--min 10 --max 10 --step 1s --warmup 200ms --confirmations 0 --results"
    ),
    "straingauge doctor ": doctor,
    "straingauge init ": draft,
    "straingauge replay ": replay,
    "straingauge history ": read_results,
    "straingauge compare ": read_results,
    "straingauge baseline ": read_results,
    "straingauge schema ": write_schema,
    "pytest ": load("-n 2 -p no:cacheprovider --load-results"),
    "locust .* --worker": lambda _command, _environment: None,  # run by `master_and_worker`
    "locust .* --master": master_and_worker,
    "locust ": load(LOCUST),
}
"""Functions that run a command, by its prefix; the first match is used."""


@pytest.mark.parametrize(
    "command",
    [
        # These have another service, so they can run beside the other commands.
        pytest.param(command, marks=pytest.mark.xdist_group("pytest_and_locust"))
        if command.startswith(("pytest ", "locust "))
        else command
        for command in documented_commands()
    ],
)
def test_command(command: str, environment: Environment):
    """The command works as documented."""
    runner = next((run for prefix, run in RUNNERS.items() if re.match(prefix, command)), None)
    assert runner is not None, "add this command to RUNNERS"
    runner(command, environment)


def test_control_of_a_running_load(environment: Environment):
    """The documented requests show, change and stop a running load."""
    load = "straingauge run --get /health --rate 20 --duration 1m --control --no-plans"
    commands = re.findall(
        r'^curl -H "Authorization.*?(?= +#|$)', PAGES["how-to/live"], re.MULTILINE
    )
    with environment.start(f"{load} --results {environment.folder}/control") as run:
        try:
            assert run.stdout is not None
            lines = iter(run.stdout.readline, "")
            found = (re.search(r"Bearer ([\w-]+)\" (\S+)/status", line) for line in lines)
            token, url = next(filter(None, found)).groups()

            def execute(command: str) -> str:
                there = command.replace("http://127.0.0.1:8081", url)
                return environment.run(f"TOKEN={token}; {there}", 0)

            while '"running"' not in execute(commands[0]):
                assert run.poll() is None
            outputs = [execute(command) for command in commands]
            output, _ = run.communicate(timeout=60)
        finally:
            run.kill()
    answers = dict(zip(commands, outputs, strict=True))
    status, rate, users, pause, stop = answers.values()
    assert '"state"' in status
    assert '"rate_percent": 150' in rate
    assert "POST /rate" in users  # this load has an arrival rate
    assert '"paused": true' in pause
    assert '"state"' in stop
    assert run.returncode in {0, 4}, output
