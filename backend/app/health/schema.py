"""Check of the database and its schema version, in one query on a driver connection."""

from functools import cache

import asyncpg
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.database import Database
from app.errors import Unavailable
from app.settings import BACKEND_DIR

_UPGRADE = "run: python -m alembic upgrade head"


@cache
def head() -> str | None:
    """Return the newest migration of this code."""
    config = Config(BACKEND_DIR / "alembic.ini")
    config.set_main_option("script_location", str(BACKEND_DIR / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


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
