"""A temporary PostgreSQL server."""

import os
import pwd
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from straingauge.errors import TargetError
from straingauge.target.binaries import HINT, Binaries, find_binaries, major_version
from straingauge.target.ports import HOST, free_port
from straingauge.target.process_group import Account, Child, ProcessGroup

USER = "straingauge"
READY_WITHIN_S = 60.0
BIND_ATTEMPTS = 5
DATABASE_OID, OID_SINCE_MAJOR = 100_000, 15  # of the service's database, also once restored
ACCOUNTS = ("postgres", "nobody")  # PostgreSQL does not run as root; the first existing one is used

# Durability stays on (fsync, synchronous_commit, full_page_writes): a service that acknowledges a
# write promises that it lasts, and without fsync its response times would be too good.
# Only features that a single temporary server does not need are off.
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "128MB",
    "wal_level": "minimal",  # there is no replica
    "max_wal_senders": "0",
    "max_wal_size": "2GB",  # a checkpoint during a short run would look like a fault
    "checkpoint_timeout": "30min",
    "track_io_timing": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """A server on a free port of 127.0.0.1, with a database and `pg_stat_statements`.

    Use as a context manager::

        with Postgres() as server:
            connect(server.url)

    Within the context the server can be stopped and started again, with the same data and URL.

    Attributes:
        url: URL of the database, with user and password.
        pid: PID of the server.
        log_path: Log of the server, removed with it.
    """

    url: str
    pid: int
    log_path: Path

    def __init__(
        self,
        *,
        database: str = "service",
        max_connections: int = 100,
        durable: bool = True,
        binaries: Path | None = None,
        run: ProcessGroup | None = None,
    ) -> None:
        """Describe the server; entering the context starts it.

        Args:
            database: Name of the database to create.
            max_connections: Maximum number of clients.
            durable: A commit survives a crash of the machine. Tests are faster without it.
            binaries: Folder of PostgreSQL's programs. Found automatically by default.
            run: The group of processes that end together. Defaults to a new one.
        """
        self._database = database
        self._settings = SETTINGS | {"max_connections": str(max_connections)}
        self._settings |= {} if durable else NOT_DURABLE
        self._named = binaries
        self._run = run
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start the server and wait until it is ready.

        Raises:
            TargetError: There is no PostgreSQL, or it does not start.
        """
        with ExitStack() as stack:
            self._prepare(self._run or stack.enter_context(ProcessGroup()))
            self._start_on_free_port()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def stop(self) -> None:
        """Stop the server and disconnect its clients; committed data is kept for the next start."""
        self._home.run.end(self._server)

    def start(self) -> None:
        """Start the server again on the same port.

        Raises:
            TargetError: It does not start, or another process uses its port.
        """
        if not self._launch():
            raise TargetError(
                f"port {self._settings['port']} is used by another process", "try again"
            )

    def take_snapshot(self) -> None:
        """Copy the database for `restore`; no client may be connected to it.

        Raises:
            TargetError: A client is connected, or the disk is full.
        """
        self._execute(f'CREATE DATABASE "{self._snapshot}" TEMPLATE "{self._database}"')

    def restore(self) -> None:
        """Put the database back to what it was at `take_snapshot`; its clients are disconnected.

        Raises:
            TargetError: There is no snapshot, or the disk is full.
        """
        self._execute(
            f'DROP DATABASE IF EXISTS "{self._database}" WITH (FORCE)',
            f'CREATE DATABASE "{self._database}" TEMPLATE "{self._snapshot}"{self._oid}',
        )

    @property
    def _oid(self) -> str:
        """The clause that keeps the database's number, by which a service may recognise it."""
        is_supported = major_version(self._home.binaries.bin) >= OID_SINCE_MAJOR
        return f" OID {DATABASE_OID}" if is_supported else ""

    @property
    def _snapshot(self) -> str:
        return f"{self._database}_snapshot"

    def _execute(self, *statements: str) -> None:
        # The password goes into the environment: command lines are visible to all users.
        client = {"PGPASSWORD": self._password, "PGPORT": self._settings["port"]}
        self._home.psql(client, statements)

    def _prepare(self, run: ProcessGroup) -> None:
        binaries = find_binaries(self._named)
        account = service_account()
        if account:
            run.folder.chmod(0o711)  # others may enter it, but not read it
            binaries = binaries.readable_by_all(run.folder / "postgresql")
        self._home = _Home(run, binaries, account, _environment())
        self._password = secrets.token_hex(16)
        self._data = _create_cluster(self._home, self._password)

    def _start_on_free_port(self) -> None:
        for _ in range(BIND_ATTEMPTS):
            port = self._settings["port"] = str(free_port())
            if self._launch():
                break
        else:
            raise TargetError(f"no free port for PostgreSQL in {BIND_ATTEMPTS} attempts", HINT)
        self.url = f"postgresql://{USER}:{self._password}@{HOST}:{port}/{self._database}"
        # The extension goes into the template, for databases created later.
        self._execute(
            "CREATE EXTENSION pg_stat_statements",
            f'CREATE DATABASE "{self._database}"{self._oid}',
        )

    def _launch(self) -> bool:
        """Start the server and wait for it; return false if another process took its port."""
        home = self._home
        flags = [f"--{name}={value}" for name, value in self._settings.items()]
        self._server = server = home.run.start(
            "postgres",
            [home.binaries.bin / "postgres", "-D", self._data, *flags],
            env=home.environment,
            account=home.account,
            stop_signal=signal.SIGINT,  # "fast": disconnects clients, keeps data consistent
        )
        assert server.log_path is not None
        self.pid, self.log_path = server.popen.pid, server.log_path
        return _await_ready(server, self._data)


@dataclass(frozen=True, slots=True)
class _Home:
    """Folder, account and environment in which PostgreSQL's programs run."""

    run: ProcessGroup
    binaries: Binaries
    account: Account | None
    environment: dict[str, str]

    def psql(self, client: dict[str, str], statements: Sequence[str]) -> None:
        """Execute statements in the database `template1`, with this environment of the client."""
        self.run.call(
            "psql",
            [
                *(self.binaries.bin / "psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1"),
                *("-h", HOST, "-U", USER, "-d", "template1"),
                *(word for statement in statements for word in ("-c", statement)),
            ],
            env=self.environment | client,
        )


def _create_cluster(home: _Home, password: str) -> Path:
    folder = home.run.folder
    data, secret = folder / "data", folder / "password"
    data.mkdir(mode=0o700)
    secret.touch(mode=0o600)
    secret.write_text(password)
    if home.account:
        os.chown(data, home.account.uid, home.account.gid)
        os.chown(secret, home.account.uid, home.account.gid)
    home.run.call(
        "initdb",
        [
            *(home.binaries.bin / "initdb", "-D", data, "-U", USER, "--pwfile", secret),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"),
            *(
                "--no-sync",
                "--no-instructions",
            ),  # an empty cluster need not survive a power failure
        ],
        env=home.environment,
        account=home.account,
    )
    secret.unlink()
    return data


def _await_ready(server: Child, data: Path) -> bool:
    """Wait until the server accepts connections; return false if another process took its port.

    The server writes its state to postmaster.pid, which `pg_ctl --wait` reads as well.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    status = data / "postmaster.pid"
    while not server.exited_within(0.01):
        lines = status.read_text().splitlines() if status.exists() else []
        if len(lines) > 7 and lines[7].strip() == "ready" and lines[0] == str(server.popen.pid):
            return True
        if time.monotonic() > deadline:
            raise TargetError(
                f"PostgreSQL was not ready within {READY_WITHIN_S:.0f} s:{server.log_tail()}", HINT
            )
    if "could not bind" in server.log_tail():
        return False
    raise TargetError(f"PostgreSQL ended at once:{server.log_tail()}", HINT)


def _environment() -> dict[str, str]:
    """Return this process's environment without the settings of libpq and of other servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {"LC_ALL": "C"}


def service_account() -> Account | None:
    """Return the account for PostgreSQL if this process runs as root.

    Raises:
        TargetError: The machine has no suitable account.
    """
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise TargetError(
        f"PostgreSQL does not run as root, and there is no account {' or '.join(ACCOUNTS)}",
        "run as an ordinary user, or set DATABASE_URL to a running server",
    )
