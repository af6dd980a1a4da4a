"""The programs that send load, and their processes."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
from straingauge.target.ports import free_port
from straingauge.workers.standby import SCRIPT

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
    network_timeout = connection_timeout = 5.0

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
        command: Its command line, up to the service's URL, which it may have as {url} as well;
            {port} is a free port.
        host: The option for the service's URL.
    """

    command: tuple[str, ...]
    host: str = "--host"

    def command_line(self, url: str, *more: str) -> list[str]:
        """Return the command line of a load on a service."""
        port = str(free_port())
        return [*(part.format(port=port, url=url) for part in self.command), self.host, url, *more]


def write_files(folder: Path) -> None:
    """Write the files that the programs load."""
    (folder / "test_hello.py").write_text(LOAD_TEST)
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    (folder / "thresholds.toml").write_text(THRESHOLDS)


RUN = Program(
    (
        *(STRAINGAUGE, "run", "--get", "/hello", "--name", "hello"),
        *("--rate", str(RATE_PER_S), "--users", str(USERS), "--duration", f"{DURATION_S:g}s"),
        *("--processes", "2", "--thresholds", "thresholds.toml", "--timeout", "5s"),
    ),
)
_PYTEST = (PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_hello.py")
PYTEST = Program(_PYTEST, host="--load-host")
XDIST = Program((*_PYTEST, "-n", "2"), host="--load-host")
_LOCUST = (
    *(PYTHON, "-m", "locust", "--headless", "--only-summary"),
    *("--stop-timeout", "10", "--cooldown", "0"),
    *("--users", str(USERS), "--spawn-rate", str(USERS), "--run-time", f"{DURATION_S:g}s"),
)
LOCUST_ALONE = Program(_LOCUST)
LOCUST = Program(
    (
        *(*_LOCUST, "--processes", "2", "--master-bind-host", "127.0.0.1"),
        *("--master-bind-port", "{port}", "--master-port", "{port}"),
    ),
)
CAPACITY = Program(
    (
        *(STRAINGAUGE, "capacity", "--get", "/hello", "--name", "hello"),
        *("--min", str(RATE_PER_S), "--max", str(2 * RATE_PER_S), "--max-users", str(USERS)),
        *("--step", "1s", "--warmup", "100ms", "--confirmations", "1000"),
    ),
)
AB = Program(
    (
        *(STRAINGAUGE, "ab", "--get", "/hello", "--name", "hello", "--base", "{url}"),
        *("--warmup", "500ms", "--budget", "30s"),
    ),
    host="--head",
)


def parent(process: psutil.Process) -> list[psutil.Process]:
    """Return the process that the user started."""
    return [process]


def children(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that it has started to send load."""
    found = sorted(process.children(), key=lambda child: child.pid)
    return [child for child in found if not _is_standby(child)]


def standby(process: psutil.Process) -> list[psutil.Process]:
    """Return the process that keeps what it has measured."""
    return [child for child in process.children() if _is_standby(child)]


def _is_standby(process: psutil.Process) -> bool:
    return any(Path(part).name == SCRIPT.name for part in process.cmdline())


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
