"""Folders with a locustfile, and runs in them against a small real service.

A test module that lists this module in its `pytest_plugins` has its fixtures. It may import from
here as well, so pytest must not rewrite this module: PYTEST_DONT_REWRITE
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from counting_service import Service, counting_service
from formats import conforming
from project_files import JOURNEYS, THRESHOLDS
from straingauge.target.ports import free_port
from straingauge.workers.standby import SCRIPT

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
    """The service under load."""
    with counting_service() as service:
        yield service


@dataclass(frozen=True)
class Exit:
    """A Locust process that has exit_."""

    code: int
    output: str


class Project:
    """A folder with a locustfile, and runs in it against the service."""

    def __init__(self, path: Path, service: Service) -> None:
        self.path = path
        self._service = service
        self._before = service.counts()
        self._processes: list[subprocess.Popen[str]] = []
        self.write("thresholds.toml", THRESHOLDS)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        (self.path / name).write_text(text)

    def served(self) -> Counter[str]:
        """Requests that the service received since this project was created, by endpoint."""
        new = self._service.counts() - self._before
        return Counter({f"GET {path}": number for path, number in new.items()})

    @property
    def url(self) -> str:
        """The URL of the service."""
        return self._service.url

    def start(
        self, users: str, *options: str, headless: bool = True, with_host: bool = True
    ) -> "subprocess.Popen[str]":
        """Start a run in a new process group, as a terminal does."""
        self.write("locustfile.py", HEAD + users)
        command = [sys.executable, "-m", "locust"]
        command += ["--host", self.url] if with_host else []
        command += ["--headless"] if headless else []
        # Lets requests in flight finish when the run ends.
        command += ["--users", "4", "--spawn-rate", "10", "--stop-timeout", "60"]
        command += ["--cooldown", "0"]
        return self._popen([*command, *options], self.path)

    def worker(self, folder: Path, port: int, *options: str) -> "subprocess.Popen[str]":
        """Start a worker with the files of a folder."""
        command = [sys.executable, "-m", "locust", "--worker", "--master-port", str(port)]
        return self._popen([*command, *options], folder)

    def _popen(self, command: list[str], folder: Path) -> "subprocess.Popen[str]":
        run = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._processes.append(run)
        return run

    def close(self) -> None:
        """End processes that are still running, such as workers without a master."""
        for run in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()

    def run(self, users: str, *options: str, with_host: bool = True) -> Exit:
        """Run until the run ends by itself."""
        return wait_for_exit(self.start(users, *options, with_host=with_host))

    def run_until(
        self,
        condition: Callable[[Counter[str]], bool],
        users: str,
        *options: str,
        number: signal.Signals = signal.SIGTERM,
        with_host: bool = True,
    ) -> Exit:
        """Run until the requests served meet a condition, then send a signal."""
        run = self.start(users, *options, with_host=with_host)
        self.wait(run, condition)
        # A terminal sends Ctrl-C to the whole group; SIGTERM goes to one process.
        os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
        return wait_for_exit(run)

    def wait(self, run: "subprocess.Popen[str]", condition: Callable[[Counter[str]], bool]) -> None:
        """Wait until the requests served meet a condition."""
        deadline_s = time.monotonic() + 60
        while not condition(self.served()):
            assert run.poll() is None, wait_for_exit(run).output
            if time.monotonic() > deadline_s:
                os.killpg(run.pid, signal.SIGKILL)
                pytest.fail(f"timed out at {self.served()}: {wait_for_exit(run).output}")
            time.sleep(0.02)

    def result(self) -> dict[str, Any]:
        """Read the only result."""
        (file,) = (self.path / "results").iterdir()
        assert file.match("metrics_*.json")
        return conforming(file)


def wait_for_exit(run: "subprocess.Popen[str]") -> Exit:
    """Wait for a run to end."""
    try:
        output, _ = run.communicate(timeout=90)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        raise
    return Exit(run.returncode, output)


@pytest.fixture
def locust_folder(tmp_path: Path, running: Service) -> Iterator[Project]:
    """A fresh folder for a locustfile."""
    fresh = Project(tmp_path, running)
    yield fresh
    fresh.close()


def has_both_kinds(served: Counter[str]) -> bool:
    """Both journeys and plain requests have been served."""
    return served["GET /hello"] > 10 and served["GET /plain"] > 10


def counts(result: dict[str, Any]) -> Counter[str]:
    """Return the number of requests by endpoint."""
    return Counter({name: each["total_requests"] for name, each in result["endpoints"].items()})


def reasons(result: dict[str, Any]) -> dict[str, str]:
    """Return the messages about the validity of a result, by reason."""
    return {each["reason"]: each["message"] for each in result["validity"]["reasons"]}


def master_at(port: int) -> list[str]:
    """Return the options of a master on a port."""
    return ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]


def worker_processes(run: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the workers that a master has forked."""
    return [
        child
        for child in psutil.Process(run.pid).children()
        if SCRIPT.name not in " ".join(child.cmdline())
    ]


def workers(number: int) -> list[str]:
    """Return the options for a number of workers, at a port that is not in use."""
    if number == 1:
        return []
    port = free_port()
    return ["--processes", str(number), *master_at(port), "--master-port", str(port)]
