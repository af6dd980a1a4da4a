"""One load on the service, with a fault in the middle of it."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.network.link import SERVER, Link
from campaigns.network.server import Counts

HERE = Path(__file__).parent
BENCHMARKS = HERE.parents[1]
PORT, PROXY_PORT = 8000, 8001
RATE, LOCUST_USERS = 50, 10
LOCUST = ("locust",)
"""Instead of arguments of `straingauge run`: Locust sends the load, at up to the same rate."""
DURATION_S, TIMEOUT_S = 14, 2
FAULT_FROM_S, FAULT_S = 4.0, 5.0
MARGIN_S = 180.0
"""Beyond duration and timeout: starting and judging, on a busy machine."""
THRESHOLDS = """
[all]
error_rate_percent = { target = 0, warning = 0.1, critical = 1 }
p95_ms = { target = 100, warning = 200, critical = 400 }
"""


@dataclass
class Load:
    """The outcome of one trial.

    Attributes:
        exit_code: That of `straingauge run`; None if it did not end in time.
        result: Its result file; empty if there is none.
        received: Requests that the service received.
        answered: Requests that it answered.
        output: What the command printed.
    """

    exit_code: int | None
    result: dict[str, Any] = field(default_factory=dict)
    received: int = 0
    answered: int = 0
    output: str = ""


class Service:
    """The server in its namespace, which can be killed and started again."""

    def __init__(self, link: Link, folder: Path) -> None:
        self.link, self.folder = link, folder
        self._path = folder / "counts"
        self._counts = Counts(self._path)
        self.start()

    def start(self) -> None:
        """Start the process, and wait until it accepts connections."""
        self._process = self._run("server", SERVER, PORT, self._path)
        self._await(PORT)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def counts(self) -> tuple[int, int]:
        """Return the requests received and answered, by all its processes."""
        return self._counts.read()

    @contextmanager
    def proxy(self, mode: str, seconds: float) -> Iterator[None]:
        """Run a proxy in front of it."""
        process = self._run("proxy", SERVER, PROXY_PORT, PORT, mode, seconds)
        try:
            self._await(PROXY_PORT)
            yield
        finally:
            process.kill()
            process.wait()

    def _run(self, module: str, *arguments: object) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", f"campaigns.network.{module}", *map(str, arguments)]
        # `nsenter` becomes the program, so signals reach it.
        return subprocess.Popen([*self.link.server_side, *command], cwd=BENCHMARKS)

    def _await(self, port: int) -> None:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            with suppress(OSError), socket.create_connection((SERVER, port), timeout=1):
                return
            time.sleep(0.02)
        raise RuntimeError(f"nothing listens on port {port}")


Disturb = Callable[[Link, Service], None]


def run_load(
    link: Link, what: Sequence[str], disturb: Disturb | None, proxy: tuple[str, float] | None
) -> Load:
    """Run `straingauge run`, and disturb the network while it sends.

    Args:
        link: The network.
        what: Arguments of `straingauge run` that say what is requested, or `LOCUST`.
        disturb: Called in a thread `FAULT_FROM_S` after the service's first request.
        proxy: Mode and seconds of the proxy to request; None for the service itself.
    """
    with tempfile.TemporaryDirectory() as folder:
        service = Service(link, Path(folder))
        try:
            if proxy is None:
                return _run(service, what, disturb, PORT)
            with service.proxy(*proxy):
                return _run(service, what, disturb, PROXY_PORT)
        finally:
            link.mend()
            service.kill()


def _run(service: Service, what: Sequence[str], disturb: Disturb | None, port: int) -> Load:
    folder = service.folder
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    command = _locust() if what == LOCUST else _straingauge(what)
    command += ["--host", f"http://{SERVER}:{port}", "--allow-host", SERVER]
    over = threading.Event()
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        disturber = threading.Thread(target=_disturb, args=(service, disturb, over))
        disturber.start()
        code: int | None = None
        try:
            output, _ = process.communicate(timeout=DURATION_S + TIMEOUT_S + MARGIN_S)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        over.set()
        disturber.join()
    received, answered = service.counts()
    files = sorted((folder / "results").glob("*.json"))
    result = json.loads(files[0].read_text()) if files else {}
    return Load(code, result, received, answered, output)


def _straingauge(what: Sequence[str]) -> list[str]:
    return [
        *(str(Path(sys.executable).with_name("straingauge")), "run", *what),
        *("--duration", f"{DURATION_S}s", "--timeout", f"{TIMEOUT_S}s"),
        *("--thresholds", "thresholds.toml", "--results", "results", "--quiet"),
    ]


def _locust() -> list[str]:
    """Return the command line of Locust; its locustfile has the timeout."""
    users = str(LOCUST_USERS)
    return [
        *(sys.executable, "-m", "locust", "-f", str(HERE / "locustfile.py")),
        *("--headless", "--only-summary", "--users", users, "--spawn-rate", users),
        *("--run-time", f"{DURATION_S}s", "--stop-timeout", str(2 * TIMEOUT_S)),
        *("--load-thresholds", "thresholds.toml", "--load-results", "results"),
    ]


def _disturb(service: Service, disturb: Disturb | None, over: threading.Event) -> None:
    while service.counts()[0] == 0:
        if over.wait(0.01):
            return
    if disturb is not None and not over.wait(FAULT_FROM_S):
        disturb(service.link, service)
