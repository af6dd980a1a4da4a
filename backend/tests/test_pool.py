import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx2
import pytest
from app import pool as pool_module
from app.database import Database
from app.pool import TimedConnection
from app.settings import Settings, SettingsError
from fastapi import FastAPI, Request
from service import account, until
from sqlalchemy import text
from sqlalchemy.pool.base import _ConnectionRecord

ME = "/api/v1/auth/me"
Open = Callable[..., Awaitable[httpx2.AsyncClient]]


def database_of(client: httpx2.AsyncClient) -> Database:
    """Return the database of the service behind a client."""
    database: Database = client._transport.app.state.database  # type: ignore[attr-defined]
    return database


@asynccontextmanager
async def checked_out(database: Database, count: int) -> AsyncIterator[list[TimedConnection]]:
    """Check out connections of the pool."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(database.driver_connection()) for _ in range(count)]


def value(metrics: str, name: str) -> float:
    """Return the value of a metric without labels."""
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    assert found is not None, name
    return float(found.group(1))


async def test_exhausted_pool_is_503(open_client: Open):
    """If no connection becomes available in time, the response is a 503 with Retry-After."""
    client = await open_client(db_pool_size=5, db_max_overflow=1, db_pool_timeout=0.2)
    ann = await account(client)
    before = value((await client.get("/metrics")).text, "db_pool_timeouts_total")
    async with checked_out(database_of(client), 6):
        response = await client.get(ME, headers=ann)
        health = await client.get("/health")
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "pool_exhausted"
    assert response.headers["retry-after"] == "1"
    assert health.status_code == 503
    assert health.json()["database"]["status"] == "pool_exhausted"
    after = value((await client.get("/metrics")).text, "db_pool_timeouts_total")
    assert after - before == 2
    assert (await client.get(ME, headers=ann)).status_code == 200


async def test_too_many_waiters_are_refused_immediately(open_client: Open):
    """Above DB_POOL_MAX_WAITERS a request is refused without waiting for DB_POOL_TIMEOUT."""
    client = await open_client(
        db_pool_size=5, db_max_overflow=0, db_pool_timeout=60, db_pool_max_waiters=1
    )
    ann = await account(client)
    database = database_of(client)
    async with checked_out(database, 5):
        waiting = asyncio.create_task(client.get(ME, headers=ann))
        await until(lambda: database.pool.waiting == 1)
        started_s = time.monotonic()
        refused = await client.get(ME, headers=ann)
        assert time.monotonic() - started_s < 30  # the timeout is 60
        assert refused.status_code == 503
        metrics = (await client.get("/metrics")).text
        assert value(metrics, "db_pool_waiters") == 1
        assert value(metrics, "db_pool_in_use") == 5
    assert (await waiting).status_code == 200


async def test_pool_metrics(open_client: Open):
    """/metrics has the current size, use and overflow of the pool."""
    client = await open_client(db_pool_size=5, db_max_overflow=3)
    async with checked_out(database_of(client), 7):
        metrics = (await client.get("/metrics")).text
    assert value(metrics, "db_pool_size") == 5
    assert value(metrics, "db_pool_in_use") == 7
    assert value(metrics, "db_pool_overflow") == 2
    assert value(metrics, "db_pool_waiters") == 0
    assert value(metrics, "db_pool_wait_seconds_count") >= 7
    assert value((await client.get("/metrics")).text, "db_pool_in_use") == 0


async def test_overflow_connections_stay_open_during_a_peak(
    open_client: Open, monkeypatch: pytest.MonkeyPatch
):
    """Overflow connections stay open during a peak, and are closed afterwards."""
    client = await open_client(db_pool_size=5, db_max_overflow=3)
    database = database_of(client)
    async with checked_out(database, 8):
        pass
    assert database.pool.state.overflow == 3
    monkeypatch.setattr(pool_module, "_OVERFLOW_IDLE_S", 0)
    for overflow in (2, 1, 0, 0):
        async with checked_out(database, 1):
            pass
        assert database.pool.state.overflow == overflow


async def test_closed_connection_is_replaced(open_client: Open):
    """After PostgreSQL has closed all pooled connections, requests are served."""
    client = await open_client(db_pool_size=5)
    ann = await account(client)
    database = database_of(client)
    async with checked_out(database, 4) as (killer, *others):
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await until(lambda: all(connection.is_closed() for connection in others))
    for _ in range(5):
        assert (await client.get(ME, headers=ann)).status_code == 200


async def test_connection_older_than_a_break_is_replaced(open_client: Open):
    """When a connection has broken, older ones are replaced, also outside of SQLAlchemy's calls."""
    database = database_of(await open_client())
    async with database.driver_connection() as first:
        pass
    # As SQLAlchemy does after an error of another connection.
    entry = database.pool._queue.peek()
    assert isinstance(entry, _ConnectionRecord)
    database.pool._invalidate_time = entry.starttime + 1e-6
    async with database.driver_connection() as second:
        assert second is not first
        assert await second.fetchval("SELECT 1") == 1


async def test_cancelled_request_is_no_longer_waiting(open_client: Open):
    """A request that is cancelled while waiting does not use a connection."""
    client = await open_client(db_pool_size=5, db_max_overflow=0, db_pool_timeout=60)
    ann = await account(client)
    database = database_of(client)
    async with checked_out(database, 5):
        waiting = asyncio.create_task(client.get(ME, headers=ann))
        await until(lambda: database.pool.waiting == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert database.pool.waiting == 0
    assert database.pool.state.in_use == 0
    assert (await client.get(ME, headers=ann)).status_code == 200


def server_timing(response: httpx2.Response) -> dict[str, float]:
    """Parse the Server-Timing header to durations in ms."""
    parts = re.findall(r"(\w+);dur=([\d.]+)", response.headers["server-timing"])
    return {name: float(duration) for name, duration in parts}


@pytest.mark.parametrize("access", ["session", "driver"])
async def test_server_timing_has_database_time(open_client: Open, access: str):
    """Server-Timing reports the time in the database as `db`, for both kinds of access."""

    async def sleep(request: Request) -> None:
        database: Database = request.app.state.database
        if access == "driver":
            async with database.driver_connection() as connection:
                await connection.fetchval("SELECT pg_sleep(0.2)::text")
        else:
            async with database.session() as session:
                await session.execute(text("SELECT pg_sleep(0.2)::text"))

    def add(app: FastAPI) -> None:
        app.add_api_route("/sleep", sleep)

    client = await open_client(add)
    await client.get("/sleep")
    timing = server_timing(await client.get("/sleep"))
    assert timing.keys() == {"pool", "db", "app"}
    assert timing["db"] >= 200
    assert timing["pool"] < 200


async def test_server_timing_has_pool_wait(open_client: Open):
    """Server-Timing reports the time spent waiting for a connection as `pool`."""
    client = await open_client(db_pool_size=5, db_max_overflow=0, db_pool_timeout=60)
    ann = await account(client)
    database = database_of(client)
    async with checked_out(database, 5):
        waiting = asyncio.create_task(client.get(ME, headers=ann))
        await until(lambda: database.pool.waiting == 1)
        waits_since_s = time.monotonic()
        await until(lambda: time.monotonic() - waits_since_s > 0.1)
    timing = server_timing(await waiting)
    assert timing["pool"] >= 100
    assert timing["app"] < timing["pool"]


@pytest.mark.parametrize("size", [4, 21])
def test_pool_size_is_bounded(make_settings: Callable[..., Settings], size: int):
    """A pool size below 5 or above 20 is an error of the settings."""
    with pytest.raises(SettingsError, match="DB_POOL_SIZE"):
        make_settings(db_pool_size=size)
