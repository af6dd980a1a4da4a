"""Where the plants grow: one PostgreSQL for all, and for each a service on a fresh database."""

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
from tests.performance.proving.beside import Place
from tests.performance.proving.catalogue import SETTINGS, Plant
from tests.performance.proving.suite import BACKEND

from straingauge import Postgres, ServiceStack

TEMPLATE = "seeded"
CONNECTIONS = 200
# Hundreds of log-ins must not take half of the time: these hashes are checked as quickly as the
# parameters that are written in them allow. No log-in is measured.
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


class Ground:
    """A PostgreSQL with a migrated and seeded database, which is copied for each service.

    Use as a context manager.
    """

    def __init__(self) -> None:
        self._config = StackConfig.from_file(BACKEND / "straingauge.toml")
        self._numbers = itertools.count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start PostgreSQL and fill the template.

        Raises:
            TargetError: It does not start, or cannot be filled.
        """
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            # Nothing is asked of it that a crash of this machine could undo.
            server = Postgres(database=TEMPLATE, max_connections=CONNECTIONS, durable=False)
            self._template_url = stack.enter_context(server).url
            with ServiceStack(self._of(Plant("seeded", "")), database_url=self._template_url):
                pass  # it migrates and seeds first
            hashed = CHEAP.hash(PASSWORD)
            self._at(self._template_url, "UPDATE users SET password_hash = $1", hashed)
            self._at(self._template_url, "VACUUM (ANALYZE)")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @contextmanager
    def grown(self, plant: Plant) -> Iterator[ServiceStack]:
        """The service with this in it, and what happens beside it, for as long as the block lasts.

        Raises:
            TargetError: It does not start.
        """
        with self._database(plant) as url:
            config = replace(self._of(plant), prepare=())  # the template is prepared
            with (
                ServiceStack(config, database_url=url) as stand,
                _beside(plant, Place(url, stand.pid)),
            ):
                yield stand

    def _of(self, plant: Plant) -> StackConfig:
        folder = self._folder / plant.name
        folder.mkdir(exist_ok=True)
        kept = {"LOG_DIR": str(folder / "logs"), "STORAGE_DIR": str(folder / "audio")}
        env = {**self._config.env, **SETTINGS, **kept, **plant.env}
        return replace(self._config, app=plant.served, workers=plant.workers, port=0, env=env)

    @contextmanager
    def _database(self, plant: Plant) -> Iterator[str]:
        name = f"{plant.name}_{next(self._numbers)}"
        url = urlunsplit(urlsplit(self._template_url)._replace(path=f"/{name}"))
        server = urlunsplit(urlsplit(self._template_url)._replace(path="/postgres"))
        self._at(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            for statement in plant.sql:
                self._at(url, statement)
            yield url
        finally:
            self._at(server, f"DROP DATABASE {name} WITH (FORCE)")

    def _at(self, url: str, statement: str, *values: object) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(url)
            try:
                await connection.execute(statement, *values)
            finally:
                await connection.close()

        asyncio.run(run())


@contextmanager
def _beside(plant: Plant, place: Place) -> Iterator[None]:
    """Let it happen in a thread; what goes wrong there goes wrong here."""
    happen = plant.beside
    if happen is None:
        yield
        return
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()
    task = loop.create_task(happen(place))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            try:
                loop.run_until_complete(task)
            except Exception as error:  # noqa: BLE001 -- it is raised below, in the right thread
                failed.append(error)

    thread = threading.Thread(target=run, name=plant.name)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
    if failed:
        raise failed[0]
