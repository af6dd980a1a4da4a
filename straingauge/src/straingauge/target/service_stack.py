"""A service with its database, started for a load test and stopped after it."""

import http.client
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from straingauge.errors import TargetError
from straingauge.target.config import PLACEHOLDER, StackConfig
from straingauge.target.ports import HOST, free_port, is_in_use, listens, port_holder
from straingauge.target.postgres import Postgres
from straingauge.target.process_group import Child, ProcessGroup

POLL_S = 0.05
PORT_ATTEMPTS = 5
# The service is not the only client: its job worker, observers and a person with psql are others.
SPARE_CONNECTIONS = 60


class ServiceStack:
    """PostgreSQL, the prepare steps and the service, for as long as the context lasts.

    ::

        with Stand.from_file("backend/straingauge.toml", port=0) as stand:
            get(stand.url + "/health")

    The database is the one given, or the one in the environment variable DATABASE_URL, or a
    PostgreSQL of our own. The prepare steps run each time, so they must be repeatable. Everything
    ends with the context, and with this process if it is killed; the log ends with it too.

    Attributes:
        url: Address of the service.
        pid: The service's process; with several workers, their parent.
        database_url: Address of the database, or None when the service has none.
        log_path: What the service writes.
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
        """Describes the stand; entering the context starts it.

        Args:
            config: What to start.
            database_url: Uses this database instead of the one in the environment or our own.
            say: Is told each step that begins, for people who wait.
        """
        self._config = config
        self._given_database_url = database_url or os.environ.get("DATABASE_URL") or None
        self._say = say
        self._stack = ExitStack()

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        app: str | None = None,
        workers: int | None = None,
        port: int | None = None,
        database_url: str | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> Self:
        """A stand as a `straingauge.toml` describes it; what is given here goes before the file.

        Args:
            path: The file; see `straingauge.target.config`.
            app: What `{app}` stands for.
            workers: How many processes serve.
            port: Where the service listens; 0 takes any free port.
            database_url: Uses this database and starts none.
            say: Is told each step that begins.

        Raises:
            UsageError: The file is not as it should be.
        """
        config = StackConfig.from_file(path)
        config = replace(
            config,
            app=config.app if app is None else app,
            workers=config.workers if workers is None else workers,
            port=config.port if port is None else port,
        )
        return cls(config, database_url=database_url, say=say)

    def __enter__(self) -> Self:
        """Starts everything and waits until the service is ready.

        Raises:
            TargetError: A part of it did not start; the message ends with that part's log.
        """
        with ExitStack() as stack:
            if self._config.port:
                _require_free(self._config.port)
            self._port = self._config.port or free_port()
            self._run = stack.enter_context(ProcessGroup())
            self.database_url = self._given_database_url
            if self._config.postgres and not self.database_url:
                self._say("starting PostgreSQL")
                self.database_url = self._start_postgres(stack)
            for step in self._config.prepare:
                self._say(f"running {step.name}")
                self._run.call(
                    step.name,
                    self._filled(step.command),
                    cwd=self._config.folder,
                    env=self._environment(),
                )
            self._say("starting the service")
            self._service = self._start_service()
            assert self._service.log_path is not None
            self.url = f"http://{HOST}:{self._port}"
            self.pid, self.log_path = self._service.popen.pid, self._service.log_path
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def database_given(self) -> bool:
        """Whether the database was there before us and stays after us."""
        return self._given_database_url is not None

    def wait(self) -> None:
        """Waits for the service to end, which it should not do by itself.

        Raises:
            TargetError: It did; the message ends with its log.
        """
        code = self._service.popen.wait()
        raise TargetError(f"the service ended with code {code}:{self._service.log_tail()}")

    def call(self, command: Sequence[str]) -> int:
        """Runs a command to its end beside the service, in its environment but in our folder.

        Args:
            command: The program and its arguments; `{url}` in them is the service's address.

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
            env=self._environment(),
            stop_signal=signal.SIGINT,
            log=False,
        )
        return child.popen.wait()

    def _start_postgres(self, stack: ExitStack) -> str:
        wanted = self._config.postgres
        assert wanted is not None
        connections = self._config.workers * wanted.connections_per_worker + SPARE_CONNECTIONS
        server = Postgres(
            database=wanted.database,
            max_connections=connections,
            binaries=wanted.bin,
            run=self._run,
        )
        return stack.enter_context(server).url

    def _start_service(self) -> Child:
        """Starts it and waits; a free port that another process took meanwhile is chosen anew."""
        for _ in range(PORT_ATTEMPTS):
            command = self._filled(self._config.command)
            service = self._run.start(
                "service",
                command,
                cwd=self._config.folder,
                env=self._environment(),
                grace_s=self._config.stop_within_s,
            )
            if self._answers(service):
                return service
            if self._config.port or not is_in_use(self._port):
                break
            self._port = free_port()
        raise TargetError(
            f"the service ended with code {service.popen.returncode} before it was ready:"
            f"{service.log_tail()}",
            f"in {self._config.folder}, run: {' '.join(command)}",
        )

    def _filled(self, words: Iterable[str]) -> list[str]:
        """The words with their placeholders filled."""
        values = {
            "python": sys.executable,
            "port": str(self._port),
            "workers": str(self._config.workers),
            "app": self._config.app,
            "database_url": self.database_url or "",
        }
        return [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in words]

    def _environment(self) -> dict[str, str]:
        """Ours, with what the file adds."""
        added = self._config.env
        return os.environ | dict(zip(added, self._filled(added.values()), strict=True))

    def _answers(self, service: Child) -> bool:
        """Waits until the service says it is ready; False when it ended.

        Raises:
            TargetError: It did neither within the time given.
        """
        path, limit_s = self._config.ready, self._config.ready_within_s
        deadline = time.monotonic() + limit_s
        answer = "no answer"
        while not service.exited_within(POLL_S):
            answer = _get(self._port, path)
            # The 200 of a stranger that was quicker at this port would pass for ours.
            if answer == "200" and listens(service.popen.pid, self._port):
                return True
            if time.monotonic() > deadline:
                raise TargetError(
                    f"the service was not ready within {limit_s:.0f} s (GET {path}: {answer}):"
                    f"{service.log_tail()}",
                    "mend what its log says, or raise ready_within_s",
                )
        return False


def _get(port: int, path: str) -> str:
    """The status of a GET, or in words why there is none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return str(error)  # reported when the time is up; until then it is what we wait for to end
    finally:
        connection.close()


def _require_free(port: int) -> None:
    """Refuses a port that another process holds.

    Raises:
        TargetError: It is taken, or may not be used; the message names who holds it, if seen.
    """
    try:
        if not is_in_use(port):
            return
    except (OSError, OverflowError) as error:
        raise TargetError(f"port {port} cannot be used: {error}", "choose another port") from error
    found = port_holder(port)
    by = f" by process {found[0]} ({found[1]})" if found else ""
    stop = f"kill {found[0]}, or " if found else ""
    raise TargetError(f"port {port} is taken{by}", f"{stop}choose another port: --port {port + 1}")
