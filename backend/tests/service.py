"""The service in a separate process, and clients for it."""

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

import conformance
import httpx2
import psutil
from fastapi import FastAPI
from straingauge.target.ports import free_port

BACKEND = Path(__file__).resolve().parent.parent
PASSWORD = "TestPass123!"
DEADLINE_S = 120.0
"""Timeout of conditions, long enough for a busy machine."""


def run_backend(*arguments: str, database_url: str) -> str:
    """Run `python <arguments>` in `backend/` and return its output.

    Raises:
        subprocess.CalledProcessError: The exit code is not 0.
    """
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=BACKEND,
        env=os.environ | {"DATABASE_URL": database_url},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition is true; fail after `DEADLINE_S`."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.01)


def client_of(application: FastAPI, address: str = "127.0.0.1") -> httpx2.AsyncClient:
    """Create a client of a service in this process, without a network.

    Each response is checked against the OpenAPI document.
    """
    transport = httpx2.ASGITransport(app=application, client=(address, 50000))
    hooks = {"response": [conformance.check]}
    return httpx2.AsyncClient(transport=transport, base_url="http://test", event_hooks=hooks)


async def account(
    client: httpx2.AsyncClient, email: str = "ann@example.com", role: str = "therapist"
) -> dict[str, str]:
    """Create an account, log in and return the headers for requests."""
    person = {"email": email, "password": PASSWORD, "full_name": "Ann Example", "role": role}
    signup = await client.post("/api/v1/auth/signup", json=person)
    assert signup.status_code == 201, signup.text
    login = await client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD})
    assert login.status_code == 200, login.text
    return {"Authorization": f"Bearer {login.json()['access_token']}"}


class Service:
    """A process that runs `python -m app.serve`."""

    def __init__(
        self, *arguments: str, environment: dict[str, str], prefix: tuple[str, ...] = ()
    ) -> None:
        self.port = free_port()
        self._prefix = prefix
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self._environment = os.environ | environment
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 -- closed by `stop`
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it responds."""
        self._process = subprocess.Popen(
            [
                *self._prefix,
                *(sys.executable, "-m", "app.serve", "--port", str(self.port)),
                *self._arguments,
            ],
            cwd=BACKEND,
            env=self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + DEADLINE_S
        while not self._is_live():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self.output())
            time.sleep(0.05)

    @property
    def rss_bytes(self) -> int:
        """Memory of the process."""
        assert self._process is not None
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def _is_live(self) -> bool:
        try:
            status, _ = self.get("/live")
        except OSError:
            return False
        return status == 200

    def get(self, path: str) -> tuple[int, str]:
        """GET a path on a new connection; return status and body.

        Faster than a client of httpx2, which would load all certificates first.
        """
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()

    def output(self) -> str:
        """Return the output of the process."""
        self._output.seek(0)
        return self._output.read().decode()

    def stop(self) -> int:
        """Stop the process with SIGINT and return its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        code = self._process.wait(timeout=DEADLINE_S)
        self._output.close()
        self._process = None
        return code
