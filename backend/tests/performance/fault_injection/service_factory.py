"""Start services with faults: one PostgreSQL server, and a fresh database for each service."""

import asyncio
import itertools
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from app.seed.rows import PASSWORD
from argon2 import PasswordHasher
from straingauge.target.config import StackConfig
from tests.performance.fault_injection.background import RunningService
from tests.performance.fault_injection.catalogue import SETTINGS, Fault
from tests.performance.fault_injection.suite import BACKEND

from straingauge import Postgres, ServiceStack

TEMPLATE = "seeded"
CONNECTIONS = 200
# Logins are not measured, and with normal hashes hundreds of them would take half of the time.
# Argon2 verifies a hash with the parameters it contains.
FAST_HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class ServiceFactory:
    """A PostgreSQL server with a migrated and seeded template database, copied for each service.

    Use as a context manager.
    """

    def __init__(self) -> None:
        self._config = StackConfig.from_file(BACKEND / "straingauge.toml")
        self._numbers = itertools.count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start PostgreSQL and create the template database.

        Raises:
            TargetError: PostgreSQL does not start, or the template cannot be created.
        """
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            # Not durable: the databases are temporary.
            server = Postgres(database=TEMPLATE, max_connections=CONNECTIONS, durable=False)
            self._template_url = stack.enter_context(server).url
            config = self._config_for(Fault("seeded", ""))
            with ServiceStack(config, database_url=self._template_url):
                pass  # starting it runs the migrations and the seed
            password_hash = FAST_HASHER.hash(PASSWORD)
            _execute(self._template_url, "UPDATE users SET password_hash = $1", password_hash)
            _execute(self._template_url, "VACUUM (ANALYZE)")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @contextmanager
    def start(self, fault: Fault) -> Iterator[ServiceStack]:
        """Run the service with a fault and its background task while the context is active.

        Raises:
            TargetError: The service does not start.
        """
        with self._database(fault) as url:
            config = replace(self._config_for(fault), prepare=())  # the template is prepared
            with (
                ServiceStack(config, database_url=url) as stack,
                _run_background(fault, RunningService(url, stack.pid)),
            ):
                yield stack

    def _config_for(self, fault: Fault) -> StackConfig:
        folder = Path(tempfile.mkdtemp(prefix=f"{fault.name}-", dir=self._folder))
        folders = {"LOG_DIR": str(folder / "logs"), "STORAGE_DIR": str(folder / "audio")}
        env = {**self._config.env, **SETTINGS, **folders, **fault.env}
        return replace(
            self._config, app=fault.import_string, workers=fault.workers, port=0, env=env
        )

    @contextmanager
    def _database(self, fault: Fault) -> Iterator[str]:
        name = f"{fault.name}_{next(self._numbers)}"
        url = urlunsplit(urlsplit(self._template_url)._replace(path=f"/{name}"))
        server = urlunsplit(urlsplit(self._template_url)._replace(path="/postgres"))
        _execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            for statement in fault.sql:
                _execute(url, statement)
            yield url
        finally:
            _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str, *values: object) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    asyncio.run(run())


@contextmanager
def _run_background(fault: Fault, service: RunningService) -> Iterator[None]:
    """Run the background task of a fault in a thread; re-raise its error at the end."""
    if fault.background is None:
        yield
        return
    errors: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task = loop.create_task(fault.background(service))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            try:
                loop.run_until_complete(task)
            except Exception as error:  # noqa: BLE001 -- raised below, in the calling thread
                errors.append(error)

    thread = threading.Thread(target=run, name=fault.name)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    if errors:
        raise errors[0]
