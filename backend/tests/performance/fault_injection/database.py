"""Faults in the use of the database. Faults inside the database are in `background.py`."""

import asyncio

import orjson
from app.database import Database
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import (
    BufferedResponse,
    chance,
    is_list,
    is_read,
    with_settings,
    wrap,
)


def n_plus_one() -> FastAPI:
    """Query the patient of each row of the list separately."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_list(scope):
            await app(scope, receive, send)
            return
        response = BufferedResponse()
        await app(scope, receive, response)
        database: Database = scope["app"].state.database
        async with database.driver_connection() as connection:
            for row in orjson.loads(response.body) if response.status == 200 else ():
                await connection.fetchrow(
                    "SELECT full_name FROM patients WHERE id = $1", row["patient_id"]
                )
        await response.send_to(send)

    return wrap(handler)


def slow_statement() -> FastAPI:
    """Run a statement of 600 ms before the list."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_list(scope):
            database: Database = scope["app"].state.database
            async with database.driver_connection() as connection:
                await connection.fetchrow("SELECT count(*), pg_sleep(0.6) FROM users")
        await app(scope, receive, send)

    return wrap(handler)


def idle_in_transaction() -> FastAPI:
    """Wait for 50 ms before the list, in a transaction that holds a lock of all lists."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_list(scope):
            database: Database = scope["app"].state.database
            async with database.driver_connection() as connection, connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock(7)")
                await asyncio.sleep(0.05)
        await app(scope, receive, send)

    return wrap(handler)


def small_pool() -> FastAPI:
    """Use a pool of two connections, which the settings do not allow."""
    return with_settings(db_pool_size=2, db_max_overflow=0)


def connection_leak() -> FastAPI:
    """Check out a connection in 1 % of the reads and never return it."""
    is_affected = chance(0.01)
    leaked = []

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and is_affected():
            database: Database = scope["app"].state.database
            leaked.append(await database.pool.checkout())
        await app(scope, receive, send)

    return wrap(handler)
