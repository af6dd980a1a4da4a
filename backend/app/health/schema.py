"""Whether the database answers, and has the schema this code was written for.

Both in one query, straight on the driver's connection: it is asked at each health check.
"""

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
    """The newest migration of this code."""
    config = Config(BACKEND_DIR / "alembic.ini")
    config.set_main_option("script_location", str(BACKEND_DIR / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head()


async def check(database: Database) -> None:
    """Ask the database for its schema's version.

    Raises:
        Unavailable: when the database is away, or its schema is missing or not this code's.
    """
    try:
        async with database.driver() as connection:
            version = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        version = None
    if version is None:
        raise Unavailable(f"The database has no schema; {_UPGRADE}", code="schema_missing")
    if version != head():
        raise Unavailable(
            f"The database's schema is {version}, this code's is {head()}; {_UPGRADE}",
            code="schema_outdated",
        )
