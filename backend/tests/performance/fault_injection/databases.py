"""One PostgreSQL server with a template database, which is copied for each service."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from straingauge import Postgres

TEMPLATE = "seeded"
CONNECTIONS = 200


class TemplateDatabase:
    """A PostgreSQL server with a template database. Use as a context manager.

    Args:
        fill: Called with the URL of the empty template, to migrate and seed it.
    """

    def __init__(self, fill: Callable[[str], None]) -> None:
        self._fill = fill
        self._numbers = itertools.count(1)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start PostgreSQL and fill the template.

        Raises:
            TargetError: PostgreSQL does not start, or the template cannot be filled.
        """
        with ExitStack() as stack:
            # Not durable: the databases are temporary.
            server = Postgres(database=TEMPLATE, max_connections=CONNECTIONS, durable=False)
            self._url = stack.enter_context(server).url
            self._fill(self._url)
            execute(self._url, "VACUUM (ANALYZE)")
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
    def copy(self, name: str, statements: Iterable[str] = ()) -> Iterator[str]:
        """Copy the template, run statements on the copy, and drop it at the end; yield its URL."""
        name = f"{name}_{next(self._numbers)}"
        url = urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))
        server = urlunsplit(urlsplit(self._url)._replace(path="/postgres"))
        execute(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        try:
            for statement in statements:
                execute(url, statement)
            yield url
        finally:
            execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def execute(url: str, statement: str, *values: object) -> None:
    """Run a statement, or several without values, on a new connection."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    asyncio.run(run())
