"""Folders with a locustfile, and runs in them against a small real service.

A test module that has this in its `pytest_plugins` has its fixtures. It may import from here as
well, so pytest is told to leave this module as it is: PYTEST_DONT_REWRITE
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from counting_service import Service, counting_service
from formats import conforming
from project_files import JOURNEYS, THRESHOLDS

HEAD = (
    """
from locust import constant, tag, task
from straingauge.locust import JourneyUser
"""
    + JOURNEYS
)

READER = """
class Reader(JourneyUser):
    wait_time = constant(0.02)

    @task
    @tag("read")
    def hello(self):
        self.run_journey(hello)

    @task
    @tag("plain")
    def plain(self):
        self.client.get("/plain")
"""

OPT_IN = """
class OptIn(JourneyUser):
    wait_time = constant(0.02)
    opt_in = True

    @task
    @tag("opt_in")
    def opt_in(self):
        self.client.get("/opt-in")
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
        self._begun_here: list[subprocess.Popen[str]] = []
        self.write("thresholds.toml", THRESHOLDS)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.path / name).write_text(text)

    def served(self) -> Counter[str]:
        """What the service was asked for since this project began, by endpoint."""
        new = self._service.counts() - self._before
        return Counter({f"GET {path}": number for path, number in new.items()})

    def start(self, users: str, *given: str, headless: bool = True) -> "subprocess.Popen[str]":
        """Begin a run in a process group of its own, as a terminal does."""
        self.write("locustfile.py", HEAD + users)
        command = [sys.executable, "-m", "locust", "--host", self._service.url]
        command += ["--headless"] if headless else []
        # Locust's own way not to cut off the requests on their way when a run ends.
        command += ["--users", "4", "--spawn-rate", "10", "--stop-timeout", "60"]
        command += ["--cooldown", "0"]
        return self._begun([*command, *given], self.path)

    def worker(self, folder: Path, port: str) -> "subprocess.Popen[str]":
        """Begin a worker with the files of this folder."""
        command = [sys.executable, "-m", "locust", "--worker", "--master-port", port]
        return self._begun(command, folder)

    def _begun(self, command: list[str], folder: Path) -> "subprocess.Popen[str]":
        run = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._begun_here.append(run)
        return run

    def close(self) -> None:
        """End what did not end, workers without a master among it."""
        for run in self._begun_here:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()

    def run(self, users: str, *given: str) -> Ended:
        """A run that comes to its end by itself."""
        return end_of(self.start(users, *given))

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
        return end_of(run)

    def wait(self, run: "subprocess.Popen[str]", condition: Callable[[Counter[str]], bool]) -> None:
        """Return once what was served meets a condition, whatever the machine's speed."""
        give_up = time.monotonic() + 60
        while not condition(self.served()):
            assert run.poll() is None, end_of(run).output
            if time.monotonic() > give_up:
                os.killpg(run.pid, signal.SIGKILL)
                pytest.fail(f"waited in vain, till {self.served()}: {end_of(run).output}")
            time.sleep(0.02)

    def result(self) -> dict[str, Any]:
        """The one result there is."""
        (file,) = (self.path / "results").iterdir()
        assert file.match("metrics_*.json")
        return conforming(file)


def end_of(run: "subprocess.Popen[str]") -> Ended:
    """Wait for it."""
    try:
        output, _ = run.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        raise
    return Ended(run.returncode, output)


@pytest.fixture
def project(tmp_path: Path, running: Service) -> Iterator[Project]:
    """A fresh project."""
    fresh = Project(tmp_path, running)
    yield fresh
    fresh.close()


def both_kinds(served: Counter[str]) -> bool:
    """Whether journeys and plain tasks alike have been at it."""
    return served["GET /hello"] > 10 and served["GET /plain"] > 10


def counts(result: dict[str, Any]) -> Counter[str]:
    """Requests by endpoint."""
    return Counter({name: each["total_requests"] for name, each in result["endpoints"].items()})


def reasons(result: dict[str, Any]) -> dict[str, str]:
    """What is said about the result's validity."""
    return {each["reason"]: each["message"] for each in result["validity"]["reasons"]}


def free_port() -> str:
    """A port that nobody else has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def master_at(port: str) -> list[str]:
    """The options of a master that its workers meet at that port."""
    return ["--master-bind-host", "127.0.0.1", "--master-bind-port", port]


def workers(number: int) -> list[str]:
    """The options for that many workers, who meet at a port that nobody else has."""
    if number == 1:
        return []
    port = free_port()
    return ["--processes", str(number), *master_at(port), "--master-port", port]
