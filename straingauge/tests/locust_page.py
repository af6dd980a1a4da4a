"""Locust with its web page, in a process of its own, as the tests of the page see it."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

THRESHOLDS = """
[all]
error_rate_percent = { target = 1, warning = 2, critical = 5 }

[endpoint."GET /timed"]
p95_ms = { target = 20000, warning = 30000, critical = 60000 }

[endpoint."GET /broken"]
error_rate_percent = { target = 0, warning = 1, critical = 2 }
"""

USERS = """
from locust import constant, task
from straingauge.locust import JourneyUser

class Reader(JourneyUser):
    wait_time = constant(0.02)

    @task
    def timed(self):
        self.client.get("/timed")

    @task
    def broken(self):
        self.client.get("/status/503", name="/broken")

    @task
    def odd(self):
        self.client.get("/hello", name="/<b>odd</b>")
"""

PATIENCE_S = 30

Seen = TypeVar("Seen")


@dataclass
class Answer:
    """What the page's server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Page:
    """A Locust and its page.

    Attributes:
        folder: The project, with the locustfile and `results`.
        port: Where Locust listens.
        base: What its page's paths begin with.
        url: Where the page is.
        process: Locust's.
    """

    def __init__(
        self, folder: Path, port: int, base: str, process: "subprocess.Popen[bytes]"
    ) -> None:
        self.folder = folder
        self.port = port
        self.base = base
        self.url = f"http://127.0.0.1:{port}{base}/"
        self.process = process

    @property
    def log(self) -> str:
        """All that Locust has said."""
        return (self.folder / "locust.log").read_text()

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for a path of the page."""
        return self._ask("GET", path, headers)

    def live(self) -> dict[str, Any]:
        """What viewers are shown."""
        return self.get("/straingauge/live.json").json

    def start(self, users: int = 3) -> None:
        """Press Start."""
        form = f"user_count={users}&spawn_rate=10"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self._ask("POST", "/swarm", kind, form).json["success"]

    def stop(self) -> None:
        """Press Stop."""
        assert self._ask("POST", "/stop", {}).json["success"]

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What viewers are shown as soon as it meets a condition."""
        return self.wait(self.live, condition)

    def wait(self, look: Callable[[], Seen], condition: Callable[[Seen], bool]) -> Seen:
        """What is seen as soon as it meets a condition."""
        give_up = time.monotonic() + PATIENCE_S
        while not condition(seen := look()):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < give_up, f"waited in vain, till {seen}\n{self.log}"
            time.sleep(0.05)
        return seen

    def _ask(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, self.base + path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@contextmanager
def locust_page(
    folder: Path, target: str, *given: str, base: str = "", users: str = USERS
) -> Iterator[Page]:
    """Run Locust with its page for the service at `target`."""
    (folder / "locustfile.py").write_text(users)
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "locust", "--host", target, "--web-host", "127.0.0.1"]
    command += ["--web-port", str(port), "--cooldown", "0", *given]
    command += ["--web-base-path", base] if base else []
    with (folder / "locust.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        page = Page(folder, port, base, process)
        try:
            page.wait(lambda: _accepts(port), bool)
            yield page
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
