"""Run migrations with asyncpg against DATABASE_URL.

A caller with an open connection (the tests) passes it in `config.attributes["connection"]`.
"""

import asyncio
from functools import partial
from logging.config import fileConfig

import app.audio.models
import app.auth.models
import app.middleware.models
import app.notes.models
import app.patients.models
import app.sessions.models  # noqa: F401 -- importing a model adds its table to the metadata
import asyncpg
from alembic import context
from app import pooler
from app.settings import get_settings
from app.table_base import Base
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Key of the advisory lock that serializes concurrent migrations; an arbitrary unique number.
_MIGRATION_LOCK = 0x7465726D


def _include_name(name: str | None, object_type: str, _parents: object) -> bool:
    """Exclude tables without a model, which are those of pgqueuer."""
    return object_type != "table" or name in Base.metadata.tables


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Base.metadata, include_name=_include_name
    )
    with context.begin_transaction():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        context.run_migrations()


async def _connect_and_run() -> None:
    settings = get_settings()

    def connect() -> object:
        return engine.dialect.dbapi.connect(  # type: ignore[union-attr]  # it is asyncpg
            async_creator_fn=partial(
                pooler.connect, settings, "therapybridge-migrations", asyncpg.Connection
            ),
            **pooler.sqlalchemy_options(settings),
        )

    engine = create_async_engine(settings.sqlalchemy_url, creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


open_connection = context.config.attributes.get("connection")
if open_connection is not None:
    _run(open_connection)
else:
    assert context.config.config_file_name is not None
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    try:
        asyncio.run(_connect_and_run())
    except (OSError, asyncpg.PostgresError) as error:
        raise SystemExit(f"The database cannot be reached: {error}. Check DATABASE_URL.") from None
