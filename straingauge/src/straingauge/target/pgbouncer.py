"""A temporary PgBouncer in front of a PostgreSQL server."""

import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from straingauge.errors import TargetError
from straingauge.target.ports import HOST, free_port, listens
from straingauge.target.postgres import service_account
from straingauge.target.process_group import ProcessGroup

HINT = "install it: apt-get install pgbouncer"
READY_WITHIN_S = 30.0
FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")  # often not on the PATH


def find_pgbouncer() -> Path | None:
    """Return the path of the installed program; None if there is none."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ["PATH"], *FOLDERS)))
    return Path(found) if found else None


class PgBouncer:
    """A pooler on a free port of 127.0.0.1, for all databases of one server.

    Use as a context manager::

        with Postgres() as server, PgBouncer(server.url) as pooler:
            connect(pooler.url)

    Attributes:
        url: The server's URL with the pooler's port.
    """

    url: str

    def __init__(
        self,
        server_url: str,
        *,
        pool_mode: str = "transaction",
        pool_size: int = 5,
        max_clients: int = 500,
    ) -> None:
        """Describe the pooler; entering the context starts it.

        Args:
            server_url: URL of the PostgreSQL server, with user and password.
            pool_mode: `session`, `transaction` or `statement`.
            pool_size: Connections to the server for each database.
            max_clients: Maximum number of clients.
        """
        self._server = urlsplit(server_url)
        self._options = {
            "pool_mode": pool_mode,
            "default_pool_size": str(pool_size),
            "max_client_conn": str(max_clients),
        }
        self._run = ProcessGroup()

    def __enter__(self) -> Self:
        """Start the pooler and wait until it accepts connections.

        Raises:
            TargetError: PgBouncer is not installed, or does not start.
        """
        program = find_pgbouncer()
        if program is None:
            raise TargetError("no PgBouncer found on this machine", HINT)
        self._run.__enter__()
        try:
            self._start(program)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run.__exit__(kind, error, traceback)

    def _start(self, program: Path) -> None:
        self._program, self._port = program, free_port()
        account = service_account()
        self._config = self._write_config(self._port)
        if account:
            self._run.folder.chmod(0o711)
            for path in (self._config, self._users):
                os.chown(path, account.uid, account.gid)
        self._run_program()
        netloc = f"{self._server.netloc.rpartition(':')[0]}:{self._port}"
        self.url = self._server._replace(netloc=netloc).geturl()

    def _run_program(self) -> None:
        account = service_account()  # like PostgreSQL, it does not run as root
        self._child = child = self._run.start(
            "pgbouncer", [self._program, self._config], account=account
        )
        deadline_s = time.monotonic() + READY_WITHIN_S
        while not listens(child.popen.pid, self._port):
            if child.exited_within(0.02) or time.monotonic() > deadline_s:
                raise TargetError(f"PgBouncer did not start:{child.log_tail()}", HINT)

    def kill_and_restart(self) -> None:
        """Kill the pooler, and start it again with the same URL.

        Raises:
            TargetError: It does not start.
        """
        self._child.popen.kill()
        self._run.end(self._child)
        self._run_program()

    def _write_config(self, port: int) -> Path:
        self._users = self._run.folder / "users.txt"
        config = self._run.folder / "pgbouncer.ini"
        for path in (self._users, config):
            path.touch(mode=0o600)
        user, password = (
            unquote(part or "").replace('"', '""')
            for part in (self._server.username, self._server.password)
        )
        self._users.write_text(f'"{user}" "{password}"\n')
        options = self._options | {
            "listen_addr": HOST,
            "listen_port": str(port),
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": str(self._users),
            "logfile": "",
        }
        lines = [f"{name} = {value}" for name, value in options.items()]
        config.write_text(
            f"[databases]\n* = host={self._server.hostname} port={self._server.port}\n"
            "[pgbouncer]\n" + "\n".join(lines) + "\n"
        )
        return config
