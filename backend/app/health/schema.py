"""Check of the database and its schema version, in one query on a driver connection."""

import re
from functools import cache

import asyncpg

from app.database import Database
from app.errors import Unavailable
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


async def check(database: Database) -> None:
    """Check that the database responds and has the schema of this code.

    Raises:
        Unavailable: The database is unavailable, or its schema is missing or of another version.
    """
    try:
        async with database.driver_connection() as connection:
            version = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        version = None
    if version is None:
        raise Unavailable(f"The database has no schema; {_UPGRADE}", code="schema_missing")
    if version != head():
        raise Unavailable(
            f"The database has schema {version}, this code needs {head()}; {_UPGRADE}",
            code="schema_outdated",
        )
