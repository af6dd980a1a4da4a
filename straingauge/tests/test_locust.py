"""straingauge in Locust, seen from outside: Locust patches its process, so it never is this one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from counting_service import Service, counting_service
from formats import conforming

THRESHOLDS = """
[all]
error_rate_percent = { target = 1, warning = 5, critical = 10 }
"""

HEAD = """
from locust import constant, tag, task
from straingauge.locust import JourneyUser

def hello(user):
    yield user.get("/hello")

def boom(user):
    yield user.get("/status/500")

def log_in(user):
    answer = yield user.post("/login", json={"password": user.data["password"]})
    user.authorize(answer.json()["token"])
"""

READER = """
class Reader(JourneyUser):
    wait_time = constant(0.02)

    @task
    @tag("read")
    def hello(self):
        self.play(hello)

    @task
    @tag("plain")
    def plain(self):
        self.client.get("/plain")
"""

SHY = """
class Shy(JourneyUser):
    wait_time = constant(0.02)
    only_when_asked = True

    @task
    @tag("shy")
    def shy(self):
        self.client.get("/shy")
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """The service that all runs put load on."""
    with counting_service() as service:
        yield service


@dataclass(frozen=True)
class Ended:
    """A Locust that has come to its end."""

    code: int
    output: str


class Project:
    """A folder with a locustfile, and runs in it against the service."""

    def __init__(self, path: Path, service: Service) -> None:
        self.path = path
        self._service = service
        self._before = service.counts()
        self.write("thresholds.toml", THRESHOLDS)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.path / name).write_text(text)

    def served(self) -> Counter[str]:
        """What the service was asked for since this project began, by endpoint."""
        new = self._service.counts() - self._before
        return Counter({f"GET {path}": number for path, number in new.items()})

    def start(self, users: str, *given: str) -> "subprocess.Popen[str]":
        """Begin a run in a process group of its own, as a terminal does."""
        self.write("locustfile.py", HEAD + users)
        command = [sys.executable, "-m", "locust", "--headless", "--host", self._service.url]
        # Locust's own way not to cut off the requests on their way when a run ends.
        command += ["--users", "4", "--spawn-rate", "10", "--stop-timeout", "60"]
        return subprocess.Popen(
            [*command, *given],
            cwd=self.path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, users: str, *given: str) -> Ended:
        """A run that comes to its end by itself."""
        return _end(self.start(users, *given))

    def run_until(
        self,
        condition: Callable[[Counter[str]], bool],
        users: str,
        *given: str,
        number: signal.Signals = signal.SIGTERM,
    ) -> Ended:
        """A run that a signal ends once what was served meets a condition."""
        run = self.start(users, *given)
        self.wait(run, condition)
        # A terminal sends Ctrl-C to the whole group; SIGTERM goes to one process.
        os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
        return _end(run)

    def wait(self, run: "subprocess.Popen[str]", condition: Callable[[Counter[str]], bool]) -> None:
        """Return once what was served meets a condition, whatever the machine's speed."""
        give_up = time.monotonic() + 60
        while not condition(self.served()):
            assert run.poll() is None, _end(run).output
            if time.monotonic() > give_up:
                os.killpg(run.pid, signal.SIGKILL)
                pytest.fail(f"waited in vain, till {self.served()}: {_end(run).output}")
            time.sleep(0.02)

    def result(self) -> dict[str, Any]:
        """The one result there is."""
        (file,) = (self.path / "results").iterdir()
        assert file.match("metrics_*.json")
        return conforming(file)


def _end(run: "subprocess.Popen[str]") -> Ended:
    try:
        output, _ = run.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        raise
    return Ended(run.returncode, output)


@pytest.fixture
def project(tmp_path: Path, running: Service) -> Project:
    """A fresh project."""
    return Project(tmp_path, running)


def both_kinds(served: Counter[str]) -> bool:
    """Whether journeys and plain tasks alike have been at it."""
    return served["GET /hello"] > 10 and served["GET /plain"] > 10


def counts(result: dict[str, Any]) -> Counter[str]:
    """Requests by endpoint."""
    return Counter({name: each["total_requests"] for name, each in result["endpoints"].items()})


def reasons(result: dict[str, Any]) -> dict[str, str]:
    """What is said about the result's validity."""
    return {each["reason"]: each["message"] for each in result["validity"]["reasons"]}


def test_headless_run_counts_what_the_service_does(project: Project):
    """A headless run exits 0 and leaves one result file that counts what the service counted."""
    ended = project.run(READER, "--run-time", "3s")
    assert ended.code == 0, ended.output
    result = project.result()
    assert counts(result) == project.served()
    assert result["metrics"]["total_requests"] == project.served().total() > 0
    assert result["configuration"]["users"] == 4
    assert result["verdict"]["grade"] == "target"


def test_plain_task_beside_a_journey(project: Project):
    """A task that uses Locust's client itself is an endpoint like that of a journey."""
    ended = project.run_until(both_kinds, READER)
    assert ended.code == 0, ended.output
    endpoints = project.result()["endpoints"]
    assert set(endpoints) == {"GET /hello", "GET /plain"}
    for name, each in endpoints.items():
        assert each["status_codes"] == {"200": project.served()[name]}
        assert 0 < each["latency_ms"]["min"] <= each["latency_ms"]["max"]


def test_run_without_an_end_of_its_own_is_valid(project: Project):
    """Where no --run-time was given, Ctrl-C is how a run ends, and no interruption."""
    project.run_until(both_kinds, READER, number=signal.SIGINT)
    assert project.result()["validity"]["valid"]


@pytest.mark.parametrize("failing", ["self.play(boom)", 'self.client.get("/status/500")'])
def test_critical_exits_1(project: Project, failing: str):
    """A crossed critical threshold exits 1, with its figure beside its limit."""
    users = READER.replace("self.play(hello)", failing)
    ended = project.run_until(lambda served: served.total() > 20, users, "--tags", "read")
    assert ended.code == 1, ended.output
    assert "error_rate_percent = 100 (critical from 10)" in ended.output
    result = project.result()
    assert result["verdict"]["grade"] == "critical"
    assert result["errors"]["kinds"] == {"bad_status": project.served().total()}


def test_exception_in_a_task_is_an_error(project: Project):
    """A task that lets an exception out counts as an error, and its user goes on."""
    users = READER.replace("self.play(hello)", 'self.play(hello); raise KeyError("oops")')
    ended = project.run_until(lambda served: served.total() > 20, users, "--tags", "read")
    assert ended.code == 1, ended.output
    result = project.result()
    assert result["errors"]["kinds"]["journey_error"] > 1
    assert "oops" in json.dumps(result["errors"]["examples"])


@pytest.mark.parametrize(
    ("thresholds", "given", "message"),
    [
        (THRESHOLDS, ["--tags", "raed"], "no task is left for --tags raed"),
        ("[all", [], "thresholds.toml: not valid TOML"),
        ("[all]\np95 = 3", [], "[all] p95: there is no metric here of that name"),
    ],
)
def test_mistakes_exit_2_and_send_nothing(
    project: Project, thresholds: str, given: list[str], message: str
):
    """A tag or a threshold that means nothing is one line, what to try, and exit 2."""
    project.write("thresholds.toml", thresholds)
    ended = project.run(READER, "--run-time", "60s", *given)
    assert ended.code == 2, ended.output
    # Beside the lines of Locust's own log.
    said = [line for line in ended.output.splitlines() if not line.startswith("[")]
    said += [line for line in ended.output.splitlines() if line.startswith("[all]")]
    assert message in ended.output
    assert len(said) <= 2, ended.output
    assert not project.served()
    assert not (project.path / "results").exists()


def test_failed_log_in_exits_3(project: Project):
    """A log-in that fails ends the run with that message, no task played, and exit 3."""
    account = '    log_in = log_in\n    account = lambda index: {"password": "wrong"}\n'
    users = READER.replace("    @task", account + "\n    @task", 1)
    ended = project.run(users, "--run-time", "60s")
    assert ended.code == 3, ended.output
    (line,) = (line for line in ended.output.splitlines() if "setup failed" in line)
    assert "a user could not log in at" in line
    assert "401" in line
    assert "Traceback" not in ended.output
    assert set(project.served()) == {"GET /login"}
    assert "setup_failed" in reasons(project.result())


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_is_kept(project: Project, number: signal.Signals, processes: int):
    """Ctrl-C or SIGTERM in mid-run leaves what was measured till then, marked interrupted."""
    given = ["--run-time", "600s", *_processes(processes)]
    ended = project.run_until(both_kinds, READER, *given, number=number)
    assert ended.code == 4, ended.output
    result = project.result()
    assert "interrupted (it was to take 600 s)" in reasons(result)["interrupted"]
    assert result["verdict"]["grade"] == "invalid"
    assert counts(result) == project.served()


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ([], {"Reader"}),
        (["--tags", "shy"], {"Shy"}),
        (["--tags", "read"], {"Reader"}),
        (["Shy", "Reader"], {"Reader", "Shy"}),
    ],
)
def test_shy_users_join_when_asked(project: Project, given: list[str], classes: set[str]):
    """A class that joins only when asked for is asked for by its name or one of its tags."""
    wanted = {"Reader": "GET /hello", "Shy": "GET /shy"}

    def all_there(served: Counter[str]) -> bool:
        return all(served[wanted[name]] for name in classes)

    ended = project.run_until(all_there, READER + SHY, *given)
    assert ended.code == 0, ended.output
    assert set(project.result()["configuration"]["user_classes"]) == classes
    assert bool(project.served()["GET /shy"]) == ("Shy" in classes)


@pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers")
def test_processes_share_one_result(project: Project):
    """With --processes 2 there is one result, and it counts what the service counted."""
    ended = project.run_until(both_kinds, READER, *_processes(2))
    assert ended.code == 0, ended.output
    result = project.result()
    assert counts(result) == project.served()
    parts = result["resources"]["generator"]["processes"]
    assert len(parts) == 2
    assert all(part["sent"] for part in parts.values())


@pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers")
def test_killed_worker_is_named(project: Project):
    """Kill -9 of a worker makes the run invalid, with the worker named, however early it came."""
    run = project.start(READER, *_processes(2))
    project.wait(run, both_kinds)
    psutil.Process(run.pid).children()[0].kill()
    run.terminate()
    ended = _end(run)
    assert ended.code == 4, ended.output
    result = project.result()
    assert "no heartbeat since" in reasons(result)["lost_worker"]
    assert 0 < result["metrics"]["total_requests"] < project.served().total()


def _processes(number: int) -> list[str]:
    """The options for that many workers, who meet at a port that nobody else has."""
    if number == 1:
        return []
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    meet = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    return ["--processes", str(number), *meet]
