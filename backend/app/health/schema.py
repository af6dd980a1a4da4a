"""Check of the database and its schema version, in one query on a driver connection."""

import asyncio
import re
from functools import cache

import asyncpg

from app.database import Database
from app.database_errors import database_unavailable
from app.errors import Unavailable
from app.pool import TimedConnection
from app.settings import BACKEND_DIR

_UPGRADE = "run: python -m alembic upgrade head"
_MIGRATIONS = BACKEND_DIR / "migrations" / "versions"
_REVISION = re.compile(r'^(down_)?revision = "(\w+)"', re.MULTILINE)


@cache
def head() -> str:
    """Return the newest migration of this code: the one that no other follows.

    Reads the files without Alembic, whose import would take a quarter of the start of the service.
    """
    texts = [file.read_text() for file in _MIGRATIONS.glob("*.py")]
    found = [match for text in texts for match in _REVISION.findall(text)]
    followed = {revision for down, revision in found if down}
    (newest,) = {str(revision) for down, revision in found if not down} - followed
    return newest


class SchemaCheck:
    """The check of one database.

    Anyone may send probes, in any number. Those that arrive while a check runs share its result, so
    all of them together use one connection of the pool.
    """

    def __init__(self, database: Database, timeout_s: float) -> None:
        """`timeout_s` is the longest time for the query, so that no check lasts for ever."""
        self._database = database
        self._timeout_s = timeout_s
        self._running: asyncio.Task[Unavailable | None] | None = None

    async def require(self) -> None:
        """Check that the database responds and has the schema of this code.

        Raises:
            Unavailable: The database is unavailable, or its schema is missing or of another
                version.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._check(), name="schema check")
        # Shielded: the end of one request must not end the check of the others.
        failure = await asyncio.shield(self._running)
        if failure is not None:
            raise failure

    async def _check(self) -> Unavailable | None:
        """Return what is wrong; not raised, because no request may be left that receives it."""
        try:
            async with self._database.driver_connection() as connection:
                version = await self._version(connection)
        except asyncpg.UndefinedTableError:
            version = None
        except Unavailable as error:
            return error
        if version is None:
            return Unavailable(f"The database has no schema; {_UPGRADE}", code="schema_missing")
        if version != head():
            return Unavailable(
                f"The database has schema {version}, this code needs {head()}; {_UPGRADE}",
                code="schema_outdated",
            )
        return None

    async def _version(self, connection: TimedConnection) -> object:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await connection.fetchval("SELECT version_num FROM alembic_version")
        except TimeoutError:
            connection.terminate()  # the pool opens another
            raise database_unavailable() from None
