"""Connections to PostgreSQL, direct or through a transaction pooler such as PgBouncer.

A transaction pooler gives each transaction another connection to the server, so nothing that
belongs to a connection lasts: prepared statements are missing or belong to another client, and
LISTEN receives nothing. Through a pooler every statement is therefore sent without a name, to be
parsed and executed at once. That costs time for each statement, so a pooler is detected: it reports
another process id than the server does.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.util.concurrency import await_only

from app.settings import Settings

C = TypeVar("C", bound=asyncpg.Connection)

_detected: dict[str, bool] = {}


async def uses_pooler(settings: Settings) -> bool:
    """Return the setting, or else detect a pooler once per process, on a connection for it.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError: The database is unavailable.
    """
    if settings.db_transaction_pooler is not None:
        return settings.db_transaction_pooler
    if settings.driver_url not in _detected:
        connection = await _connect(settings, "therapybridge", asyncpg.Connection, pooled=True)
        try:
            server_pid = await connection.fetchval("SELECT pg_backend_pid()")
            _detected[settings.driver_url] = server_pid != connection.get_server_pid()
        finally:
            await connection.close()
    return _detected[settings.driver_url]


async def connect(settings: Settings, name: str, connection_class: type[C]) -> C:
    """Open a connection that works with or without a pooler.

    Args:
        settings: Address, timeout, and the setting of the pooler.
        name: Name of the application in `pg_stat_activity`.
        connection_class: Class of the connection.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError: The database is unavailable.
    """
    pooled = await uses_pooler(settings)
    return await _connect(settings, name, connection_class, pooled=pooled)


async def _connect(settings: Settings, name: str, connection_class: type[C], *, pooled: bool) -> C:
    options: dict[str, Any] = {"statement_cache_size": 0} if pooled else {}
    connection: C = await asyncpg.connect(
        settings.driver_url,
        timeout=settings.db_connect_timeout,
        connection_class=connection_class,
        server_settings={"application_name": name, "timezone": "UTC"},
        **options,
    )
    return connection


def sqlalchemy_options(settings: Settings) -> dict[str, Any]:
    """Return options of SQLAlchemy's `connect` for the connections of `connect`.

    Must be called by SQLAlchemy's `creator`, because it may detect the pooler.
    """
    if not await_only(uses_pooler(settings)):
        return {}
    no_name: Callable[[], str] = str
    return {"prepared_statement_cache_size": 0, "prepared_statement_name_func": no_name}
