"""Locust with its web page, in a separate process."""

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

from straingauge.target.ports import free_port

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

TIMEOUT_S = 30

Value = TypeVar("Value")


@dataclass
class Response:
    """A response of the page's server."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body, decoded."""
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


class Page:
    """A Locust process and its page.

    Attributes:
        folder: Folder with the locustfile and `results`.
        port: Port of the page.
        base: Prefix of its paths.
        url: URL of the page.
        process: The Locust process.
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
        """Output of Locust."""
        return (self.folder / "locust.log").read_text()

    def get(self, path: str, **headers: str) -> Response:
        """Request a path of the page."""
        return self._request("GET", path, headers)

    def live(self) -> dict[str, Any]:
        """Return the data that viewers are sent."""
        return self.get("/straingauge/live.json").json

    def start(self, users: int = 3) -> None:
        """Press Start."""
        form = f"user_count={users}&spawn_rate=10"
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert self._request("POST", "/swarm", kind, form).json["success"]

    def stop(self) -> None:
        """Press Stop."""
        assert self._request("POST", "/stop", {}).json["success"]

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the data that viewers are sent as soon as it meets a condition."""
        return self.wait(self.live, condition)

    def wait(self, read: Callable[[], Value], condition: Callable[[Value], bool]) -> Value:
        """Return a value as soon as it meets a condition."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while not condition(value := read()):
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline_s, f"timed out at {value}\n{self.log}"
            time.sleep(0.05)
        return value

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], body: str | None = None
    ) -> Response:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, self.base + path, body, dict(headers))
            response = connection.getresponse()
            return Response(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@contextmanager
def locust_page(
    folder: Path, target: str, *options: str, base: str = "", users: str = USERS
) -> Iterator[Page]:
    """Run Locust with its page for the service at `target`."""
    (folder / "locustfile.py").write_text(users)
    (folder / "thresholds.toml").write_text(THRESHOLDS)
    port = free_port()
    command = [sys.executable, "-m", "locust", "--host", target, "--web-host", "127.0.0.1"]
    command += ["--web-port", str(port), "--cooldown", "0", *options]
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
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
