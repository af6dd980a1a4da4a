"""The programs that send load, and their processes."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from straingauge.target.ports import free_port

DURATION_S = 6.0
RATE_PER_S = 100
USERS = 20
PYTHON = sys.executable
STRAINGAUGE = str(Path(sys.executable).with_name("straingauge"))

LOAD_TEST = f"""
import pytest
from straingauge import constant

def hello(user):
    yield user.get("/hello")

@pytest.mark.load
def test_hello(load):
    schedule = constant(rate_per_s={RATE_PER_S}, duration_s={DURATION_S})
    load.judge(load.run("hello", hello, schedule, users={USERS}, cooldown_s=0.1))
"""
LOCUSTFILE = """
from locust import constant, task
from straingauge.locust import JourneyUser

def hello(user):
    yield user.get("/hello")

class Reader(JourneyUser):
    wait_time = constant(0.2)

    @task
    def hello(self):
        self.run_journey(hello)
"""
THRESHOLDS = "[all]\nerror_rate_percent = { target = 1, warning = 5, critical = 10 }\n"

Victims = Callable[[psutil.Process], list[psutil.Process]]


@dataclass(frozen=True)
class Program:
    """A program that sends load.

    Attributes:
        command: Its command line, without the service's URL; {port} is a free port.
        host: The option for the service's URL.
        needs: The processes it consists of while the load is running, including itself.
    """

    command: tuple[str, ...]
    host: str = "--host"
    needs: int = 1

    def command_line(self, url: str, *more: str) -> list[str]:
        """Return the command line of a load on a service."""
        port = str(free_port())
        return [*(part.format(port=port) for part in self.command), self.host, url, *more]


def write_files(folder: Path) -> None:
    """Write the files that the programs load."""
    (folder / "test_hello.py").write_text(LOAD_TEST)
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    (folder / "thresholds.toml").write_text(THRESHOLDS)


RUN = Program(
    (
        *(STRAINGAUGE, "run", "--get", "/hello", "--name", "hello"),
        *("--rate", str(RATE_PER_S), "--users", str(USERS), "--duration", f"{DURATION_S:g}s"),
        *("--processes", "2", "--thresholds", "thresholds.toml"),
    ),
    needs=3,
)
_PYTEST = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hello.py")
PYTEST = Program(_PYTEST, host="--load-host")
XDIST = Program((*_PYTEST, "-n", "2"), host="--load-host", needs=3)
LOCUST = Program(
    (
        *(PYTHON, "-m", "locust", "--headless", "--only-summary", "--processes", "2"),
        *("--master-bind-host", "127.0.0.1", "--stop-timeout", "10", "--cooldown", "0"),
        *("--master-bind-port", "{port}", "--master-port", "{port}"),
        *("--users", str(USERS), "--spawn-rate", str(USERS), "--run-time", f"{DURATION_S:g}s"),
    ),
    needs=3,
)


def parent(process: psutil.Process) -> list[psutil.Process]:
    """Return the process that the user started."""
    return [process]


def children(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that it has started."""
    return sorted(process.children(), key=lambda child: child.pid)


def marked(marker: str) -> list[psutil.Process]:
    """Return the live processes whose environment has a marker."""
    found = []
    for process in psutil.process_iter():
        try:
            is_one = process.environ().get("STRAINGAUGE_TRIAL") == marker
            if is_one and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue
    return found
