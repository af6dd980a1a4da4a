"""Databases for tests: copies of a migrated template, emptied and used again."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import asyncpg

T = TypeVar("T")

CLOSE_S = 1.0
"""Time that sessions of a test may take to end."""

# A copy of the template has its row versions (xmin), which any change of the schema renews.
SCHEMA = """
    WITH tables AS (
        SELECT oid, xmin FROM pg_class
        WHERE relnamespace NOT IN (
            SELECT oid FROM pg_namespace
            WHERE nspname IN ('pg_catalog', 'pg_toast', 'information_schema')
        )
    )
    SELECT md5(string_agg(version, ' ' ORDER BY version)) FROM (
        SELECT 'class ' || oid || ' ' || xmin FROM tables
        UNION ALL SELECT 'column ' || attrelid || ' ' || attnum || ' ' || xmin
            FROM pg_attribute WHERE attrelid IN (SELECT oid FROM tables)
        UNION ALL SELECT 'index ' || indexrelid || ' ' || xmin
            FROM pg_index WHERE indrelid IN (SELECT oid FROM tables)
        UNION ALL SELECT 'constraint ' || oid || ' ' || xmin FROM pg_constraint
        UNION ALL SELECT 'trigger ' || oid || ' ' || xmin FROM pg_trigger
        UNION ALL SELECT 'function ' || oid || ' ' || xmin FROM pg_proc WHERE oid >= 16384
        UNION ALL SELECT 'schema ' || oid || ' ' || xmin FROM pg_namespace WHERE oid >= 2200
        UNION ALL SELECT 'setting ' || setrole || ' ' || setconfig::text
            FROM pg_db_role_setting JOIN pg_database ON oid = setdatabase
            WHERE datname = current_database()
        UNION ALL SELECT 'migration ' || version_num FROM alembic_version
    ) AS versions (version)
"""
SESSIONS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'
"""
EMPTY = """
    SELECT string_agg(format('DELETE FROM %s', oid::regclass), '; ') FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'
"""


class Databases:
    """Creates databases on a server.

    A new database costs PostgreSQL 80 ms of CPU time, and each first session in it 10 ms: about ten
    times as much as to empty a used one.

    Args:
        server_url: URL of the server.
        prefix: Beginning of the names.
    """

    def __init__(self, server_url: str, prefix: str) -> None:
        self._server_url = server_url
        self._base = server_url.rsplit("/", 1)[0]
        self._prefix = prefix
        self._numbers = itertools.count(1)
        self._names: list[str] = []
        self._free: list[str] = []
        self._schema: str | None = None
        self.template_url = self._create(f"{prefix}_template")

    def create(self) -> str:
        """Create a database and return its URL."""
        template = self.template_url.rsplit("/", 1)[1]
        return self._create(f"{self._prefix}_{next(self._numbers)}", f" TEMPLATE {template}")

    @contextmanager
    def use(self) -> Iterator[str]:
        """Return the URL of an empty database, which is used again later."""
        url = self._free.pop() if self._free else self.create()
        if self._schema is None:
            self._schema = run(_value(url, SCHEMA))
        yield url
        if run(self._reset(url)):
            self._free.append(url)

    def drop(self) -> None:
        """Remove all databases."""
        run(
            _execute(
                self._server_url,
                *map("DROP DATABASE IF EXISTS {} WITH (FORCE)".format, self._names),
            )
        )

    def _create(self, name: str, options: str = "") -> str:
        self._names.append(name)
        run(_execute(self._server_url, f"CREATE DATABASE {name}{options}"))
        return f"{self._base}/{name}"

    async def _reset(self, url: str) -> bool:
        """Empty a database; return False if a test did more to it than change rows."""
        try:
            async with _connected(url) as connection:
                deadline = asyncio.get_running_loop().time() + CLOSE_S
                while await connection.fetchval(SESSIONS):
                    if asyncio.get_running_loop().time() > deadline:
                        return False
                    await asyncio.sleep(0.01)
                if await connection.fetchval(SCHEMA) != self._schema:
                    return False
                # In this role, no trigger runs and no foreign key is checked.
                await connection.execute("SET session_replication_role = replica")
                await connection.execute(await connection.fetchval(EMPTY))
                await connection.execute(
                    "SELECT setval(seqrelid, seqstart, false) FROM pg_sequence"
                )
        except (
            asyncpg.InvalidCatalogNameError,  # the database is gone
            asyncpg.UndefinedTableError,  # no alembic_version
            asyncpg.InsufficientPrivilegeError,  # DATABASE_URL of a user who is no superuser
        ):
            return False
        return True


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def _execute(url: str, *statements: str) -> None:
    async with _connected(url) as connection:
        for statement in statements:
            await connection.execute(statement)


async def _value(url: str, query: str) -> Any:  # noqa: ANN401 -- as the query says
    async with _connected(url) as connection:
        return await connection.fetchval(query)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a new event loop."""
    with asyncio.Runner() as runner:
        return runner.run(coroutine)
