"""Runs the migrations over asyncpg against DATABASE_URL.

A program that has a connection already (the tests) hands it over as `config.attributes`.
"""

import asyncio
from logging.config import fileConfig

import app.auth.models
import app.middleware.windows
import app.notes.models
import app.patients.models
import app.sessions.models  # noqa: F401 -- importing a model puts its table into the metadata
import asyncpg
from alembic import context
from app.database import Base
from app.settings import get_settings
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Serialises services that migrate at the same moment; any number that nobody else uses will do.
_MIGRATION_LOCK = 0x7465726D


def _include_name(name: str | None, kind: str, _parents: object) -> bool:
    """Leave tables alone that are not ours to describe: pgqueuer's and the rate limiter's."""
    return kind != "table" or name in Base.metadata.tables


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Base.metadata, include_name=_include_name
    )
    with context.begin_transaction():
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        context.run_migrations()


async def _connect_and_run() -> None:
    engine = create_async_engine(get_settings().sqlalchemy_url, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run)
            await connection.commit()
    finally:
        await engine.dispose()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    assert context.config.config_file_name is not None
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)
    try:
        asyncio.run(_connect_and_run())
    except (OSError, asyncpg.PostgresError) as error:
        raise SystemExit(f"The database cannot be reached: {error}. Check DATABASE_URL.") from None
