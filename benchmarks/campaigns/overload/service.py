"""TherapyBridge as `straingauge serve` starts it, and its rows and files."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from campaigns.overload.storms import EMAIL, HOST, PASSWORD
from campaigns.record import ROOT
from straingauge.target import ServiceStack

TABLES = ("users", "patients", "sessions", "notes", "token_families", "refresh_tokens")
LIMITS = ("DEFAULT", "LOGIN", "FAILED_LOGINS_BY_ADDRESS", "SIGNUP", "UPLOAD")
UNLIMITED = "1000000/minute"
"""The rate limits would refuse most of each storm before it costs anything."""


@dataclass(frozen=True)
class Stored:
    """Rows of each table, and files, that the service has stored."""

    rows: dict[str, int]
    files: tuple[str, ...]


class Service:
    """The running service, with an account that has a patient."""

    def __init__(self, stack: ServiceStack, storage: Path) -> None:
        self.port = int(stack.url.rpartition(":")[2])
        self._pid, self._storage = stack.pid, storage
        assert stack.database_url is not None
        self._database_url = stack.database_url
        person = {"email": EMAIL, "password": PASSWORD, "full_name": "O", "role": "therapist"}
        self._send("/api/v1/auth/signup", person)
        credentials = {"email": EMAIL, "password": PASSWORD}
        self.token: str = self._send("/api/v1/auth/login", credentials)["access_token"]
        self.patient: str = self._send("/api/patients/", {"full_name": "P"}, self.token)["id"]

    def _send(self, path: str, body: object, token: str = "") -> Any:  # noqa: ANN401  JSON
        connection = HTTPConnection(HOST, self.port, timeout=60)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        if not token:
            del headers["Authorization"]
        connection.request("POST", path, json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status not in {200, 201}:
            raise RuntimeError(f"{path}: {response.status} {text.decode()}")
        return json.loads(text)

    def rss_bytes(self) -> int:
        """Return the memory of the service's process."""
        return int(psutil.Process(self._pid).memory_info().rss)

    def stored(self) -> Stored:
        """Return what is stored now."""
        files = sorted(str(each) for each in self._storage.rglob("*") if each.is_file())
        return Stored(asyncio.run(self._rows()), tuple(files))

    async def _rows(self) -> dict[str, int]:
        connection = await asyncpg.connect(self._database_url)
        try:
            # The names are constants of this module.
            return {
                name: await connection.fetchval(f"SELECT count(*) FROM {name}")  # noqa: S608
                for name in TABLES
            }
        finally:
            await connection.close()


@contextmanager
def running() -> Iterator[Service]:
    """Start the service with its database, and stop both."""
    with tempfile.TemporaryDirectory() as name:
        os.environ |= {f"RATE_LIMIT_{each}": UNLIMITED for each in LIMITS}
        os.environ |= {
            "STORAGE_DIR": f"{name}/audio",
            "LOG_DIR": name,
            "ACCESS_TOKEN_TTL_S": "86400",
        }
        config = ROOT / "backend/straingauge.toml"
        with ServiceStack.from_file(config, port=0) as stack:
            yield Service(stack, Path(name) / "audio")
