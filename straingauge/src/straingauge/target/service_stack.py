"""A service with its database, started for a load test and stopped after it."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from straingauge.errors import TargetError, UsageError
from straingauge.http.setting_types import Http2Mode
from straingauge.target.binaries import VARIABLE
from straingauge.target.config import PostgresConfig, StackConfig
from straingauge.target.extensions import (
    MissingExtensionError,
    folder_with,
    naming_missing_extension,
)
from straingauge.target.ports import HOST, free_port, is_in_use, listens
from straingauge.target.postgres import Postgres
from straingauge.target.process_group import Child, ProcessGroup
from straingauge.target.readiness import require_free, status_of
from straingauge.target.stack_values import StackValues
from straingauge.target.started_service import StartedService

POLL_S = 0.05
PORT_ATTEMPTS = 5
# For other clients than the service: its job worker, observers, and a person with psql.
SPARE_CONNECTIONS = 60


class ServiceStack:
    """PostgreSQL, the prepare steps and the service, for as long as the context lasts.

    ::

        with ServiceStack.from_file("backend/straingauge.toml", port=0) as stack:
            get(stack.url + "/health")

    The database is `database_url`, or the environment variable DATABASE_URL, or a temporary
    PostgreSQL. The prepare steps run each time, so they must be repeatable. Everything ends with
    the context, also if this process is killed, and the log is removed.

    Attributes:
        url: URL of the service.
        pid: PID of the service; with several workers, of their parent.
        database_url: URL of the database; None if the service has none.
        log_path: Log of the service.
    """

    url: str
    pid: int
    database_url: str | None
    log_path: Path

    def __init__(
        self,
        config: StackConfig,
        *,
        database_url: str | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """Describe the stack; entering the context starts it.

        Args:
            config: The configuration.
            database_url: Database to use, instead of DATABASE_URL or a temporary one.
            say: Called with a description of each step that begins.
        """
        self._config = config
        self._given_database_url = database_url or os.environ.get("DATABASE_URL") or None
        self._say = say
        self._stack = ExitStack()
        self._postgres: Postgres | None = None  # if the database is restored

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        app: str | None = None,
        workers: int | None = None,
        port: int | None = None,
        database_url: str | None = None,
        restore: bool = False,
        http2: Http2Mode | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> Self:
        """Create a stack from a `straingauge.toml`; arguments override the file.

        Args:
            path: The file; see `straingauge.target.config`.
            app: The value of `{app}`.
            workers: Number of worker processes.
            port: Port of the service; 0 takes any free port.
            database_url: Database to use; none is started.
            restore: Let `restore` put the database back to what the prepare steps have left.
            http2: The protocol of requests; see `HttpSettings`.
            say: Called with a description of each step that begins.

        Raises:
            UsageError: The file is invalid.
        """
        config = StackConfig.from_file(path)
        config = replace(
            config,
            app=config.app if app is None else app,
            workers=config.workers if workers is None else workers,
            port=config.port if port is None else port,
            http2=http2 or config.http2,
        )
        if restore:
            config = replace(config, postgres=_restored(config, path))
        return cls(config, database_url=database_url, say=say)

    def __enter__(self) -> Self:
        """Start everything and wait until the service is ready.

        If it fails because the PostgreSQL of the Python package lacks an extension, it starts once
        more with an installed one that has it.

        Raises:
            TargetError: A part did not start; the message ends with its log.
        """
        try:
            self._start()
        except MissingExtensionError as error:
            folder = None if self._has_chosen_postgres else folder_with(error.extension)
            if folder is None:
                raise
            self._say(f"the extension {error.extension} is missing: starting with {folder} instead")
            self._start(folder)
        return self

    def _start(self, binaries: Path | None = None) -> None:
        with ExitStack() as stack:
            if self._config.port:
                require_free(self._config.port)
            self._port = self._config.port or free_port()
            self._run = stack.enter_context(ProcessGroup())
            self.database_url = self._given_database_url
            if self._config.postgres and not self.database_url:
                self._say("starting PostgreSQL")
                self.database_url = self._start_postgres(stack, binaries)
            for step in self._config.prepare:
                self._say(f"running {step.name}")
                self._run.call(
                    step.name,
                    self._values.fill(step.command),
                    cwd=self._config.folder,
                    env=self._values.environment,
                )
            self._say("starting the service")
            self._begin_service()
            if self._postgres is not None:
                self._take_snapshot(self._postgres)
            self._stack = stack.pop_all()

    def _take_snapshot(self, server: Postgres) -> None:
        """Copy the database while the service is stopped, with the rows of its first start."""
        self._say("copying the database, to restore it before further loads")
        self._run.end(self._service)
        server.take_snapshot()
        self._begin_service()

    def _begin_service(self) -> None:
        self._service = self._start_service()
        assert self._service.log_path is not None
        self.url = f"http://{HOST}:{self._port}"
        self.pid, self.log_path = self._service.popen.pid, self._service.log_path

    @property
    def is_restorable(self) -> bool:
        """True if the database can be restored: it was started here, and that is configured."""
        return self._postgres is not None

    def restore(self) -> None:
        """Put the database back to what prepare steps and the service's first start have left.

        The service is stopped before and started after it, on the same port: its connections would
        break, and what it has in memory would be of rows that are gone.

        Raises:
            TargetError: The service does not start again, or another process took its port.
        """
        assert self._postgres is not None
        self._say("restoring the database, and restarting the service")
        url = self.url
        self._run.end(self._service)
        self._postgres.restore()
        self._begin_service()
        if self.url != url:
            raise TargetError(f"another process took the port of {url}", "repeat the run")

    @property
    def _has_chosen_postgres(self) -> bool:
        """True if the user has chosen the programs of PostgreSQL."""
        postgres = self._config.postgres
        return bool((postgres and postgres.bin) or os.environ.get(VARIABLE))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def database_given(self) -> bool:
        """True if the database existed before, and remains afterwards."""
        return self._given_database_url is not None

    @property
    def started(self) -> StartedService:
        """The running service, and how to start another instance of it."""
        config, values = self._config, self._values
        own = {"port": "{port}", "workers": "1"}  # the other instance fills in its own port
        temporary = {
            name: value for name, value in values.temporary_env.items() if name not in os.environ
        }
        other = replace(
            config,
            command=tuple(values.fill(config.command, own)),
            env=values.fill_env(temporary | dict(config.env), own),
            workers=1,
            port=0,
            postgres=None,
            prepare=(),
        )
        temporary_database = bool(self.database_url) and not self.database_given
        return StartedService(self.pid, self.database_url, other, temporary_database, self.log_path)

    @property
    def has_ended(self) -> bool:
        """True if the service has ended, which it should not do on its own."""
        return self._service.popen.poll() is not None

    def wait(self) -> None:
        """Wait for the service to end, which it should not do on its own.

        Raises:
            TargetError: It ended; the message ends with its log.
        """
        code = self._service.popen.wait()
        raise TargetError(f"the service ended with code {code}:{self._service.log_tail()}")

    def call(self, command: Sequence[str]) -> int:
        """Run a command while the service runs, in its environment and the current folder.

        Args:
            command: The program and its arguments; `{url}` is replaced by the service's URL.

        Returns:
            The command's exit code.

        Raises:
            TargetError: It cannot be started.
        """
        words = [word.replace("{url}", self.url) for word in command]
        child = self._run.start(
            Path(words[0]).name,
            words,
            cwd=Path.cwd(),
            env=self._values.command_environment(self.log_path),
            stop_signal=signal.SIGINT,
            log=False,
        )
        return child.popen.wait()

    def _start_postgres(self, stack: ExitStack, binaries: Path | None) -> str:
        wanted = self._config.postgres
        assert wanted is not None
        connections = self._config.workers * wanted.connections_per_worker + SPARE_CONNECTIONS
        server = Postgres(
            database=wanted.database,
            max_connections=connections,
            binaries=wanted.bin or binaries,
            run=self._run,
        )
        url = stack.enter_context(server).url
        self._postgres = server if wanted.restore else None
        stack.enter_context(naming_missing_extension(server))
        return url

    def _start_service(self) -> Child:
        """Start the service and wait; choose another free port if it is taken meanwhile."""
        for _ in range(PORT_ATTEMPTS):
            command = self._values.fill(self._config.command)
            service = self._run.start(
                "service",
                command,
                cwd=self._config.folder,
                env=self._values.service_environment(),
                grace_s=self._config.stop_within_s,
            )
            if self._await_ready(service):
                return service
            if self._config.port or not is_in_use(self._port):
                break
            self._port = free_port()
        raise TargetError(
            f"the service ended with code {service.popen.returncode} before it was ready:"
            f"{service.log_tail()}",
            f"in {self._config.folder}, run: {' '.join(command)}",
        )

    @property
    def _values(self) -> StackValues:
        folder = self._run.folder
        return StackValues(self._config, self._port, folder, self.database_url, self.database_given)

    def _await_ready(self, service: Child) -> bool:
        """Wait until the service is ready; return false if it ended.

        Raises:
            TargetError: It did neither within the time limit.
        """
        path, limit_s = self._config.ready, self._config.ready_within_s
        deadline = time.monotonic() + limit_s
        outcome = "no response"
        while not service.exited_within(POLL_S):
            outcome = status_of(f"http://{HOST}:{self._port}{path}", self._config.http2)
            # Another process that took this port may respond with 200 as well.
            if outcome == "200" and listens(service.popen.pid, self._port):
                return True
            if time.monotonic() > deadline:
                raise TargetError(
                    f"the service was not ready within {limit_s:.0f} s (GET {path}: {outcome}):"
                    f"{service.log_tail()}",
                    "fix the cause in its log, or raise ready_within_s",
                )
        return False


def _restored(config: StackConfig, path: str | Path) -> PostgresConfig:
    if config.postgres is None:
        raise UsageError(
            f"{path} has no [postgres], so no database can be restored",
            "leave out --restore-database (pytest: --load-restore-database)",
        )
    return replace(config.postgres, restore=True)
