"""The service as its own process: real uvicorn, real HTTP."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import httpx2
from fastapi import FastAPI
from straingauge.target.ports import free_port

BACKEND = Path(__file__).resolve().parent.parent
PASSWORD = "TestPass123!"
DEADLINE_S = 120.0
"""A condition that never holds is reported after this time, which a busy machine does not need."""


def run_backend(*arguments: str, database_url: str) -> str:
    """Run `python <arguments>` in `backend/`; gives what it printed.

    Raises:
        subprocess.CalledProcessError: when it fails.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=BACKEND,
        env=_environment({"DATABASE_URL": database_url}),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _environment(given: dict[str, str]) -> dict[str, str]:
    # Metrics of this process' own must not be shared with the service.
    inherited = {k: v for k, v in os.environ.items() if k != "PROMETHEUS_MULTIPROC_DIR"}
    return inherited | given


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail when it does not in time."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.01)


def client_of(application: FastAPI, address: str = "127.0.0.1") -> httpx2.AsyncClient:
    """A client of a service that runs in this process, without a network between."""
    transport = httpx2.ASGITransport(app=application, client=(address, 50000))
    return httpx2.AsyncClient(transport=transport, base_url="http://test")


async def account(
    client: httpx2.AsyncClient, email: str = "ann@example.com", role: str = "therapist"
) -> dict[str, str]:
    """Make an account and log in; gives the headers that its requests send."""
    person = {"email": email, "password": PASSWORD, "full_name": "Ann Example", "role": role}
    made = await client.post("/api/v1/auth/signup", json=person)
    assert made.status_code == 201, made.text
    login = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert login.status_code == 200, login.text
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


class Service:
    """`uvicorn app.main:app`, from `start` to `stop`."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = _environment(environment)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `stop`
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(self.port)),
                *self._arguments,
            ],
            cwd=BACKEND,
            env=self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + DEADLINE_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.output())
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            status, _ = self.get("/live")
        except OSError:
            return False
        return status == 200

    def get(self, path: str) -> tuple[int, str]:
        """GET a path on a connection of its own; returns status and body.

        A client of httpx2 would read all certificates of the machine first.
        """
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def output(self) -> str:
        """What it has printed."""
        self._output.seek(0)
        return self._output.read().decode()

    def stop(self) -> int:
        """Stop it as Ctrl-C does; gives its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(timeout=DEADLINE_S)
        self._output.close()
        self._process = None
        return code
