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

ME = "/api/v1/auth/me"
Open = Callable[..., Awaitable[httpx2.AsyncClient]]


def database_of(client: httpx2.AsyncClient) -> Database:
    """The database of the service behind a client."""
    database: Database = client._transport.app.state.database  # type: ignore[attr-defined]
    return database


@asynccontextmanager
async def held(database: Database, count: int) -> AsyncIterator[list[TimedConnection]]:
    """Hold some of the pool's connections."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(database.driver_connection()) for _ in range(count)]


def total(metrics: str, name: str) -> float:
    """One number of a Prometheus text."""
    found = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    assert found is not None, name
    return float(found.group(1))


async def test_an_exhausted_pool_is_a_quick_503(open_client: Open):
    """When no connection comes free in time, the answer is a 503 with Retry-After, not a 500."""
    client = await open_client(db_pool_size=5, db_max_overflow=1, db_pool_timeout=0.2)
    ann = await account(client)
    before = total((await client.get("/metrics")).text, "db_pool_timeouts_total")
    async with held(database_of(client), 6):
        answer = await client.get(ME, headers=ann)
        health = await client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "pool_exhausted"
    assert answer.headers["retry-after"] == "1"
    assert health.status_code == 503
    assert health.json()["database"]["status"] == "pool_exhausted"
    after = total((await client.get("/metrics")).text, "db_pool_timeouts_total")
    assert after - before == 2
    assert (await client.get(ME, headers=ann)).status_code == 200


async def test_when_too_many_wait_the_next_is_refused_at_once(open_client: Open):
    """Beyond DB_POOL_MAX_WAITERS a request is refused without waiting for DB_POOL_TIMEOUT."""
    client = await open_client(
        db_pool_size=5, db_max_overflow=0, db_pool_timeout=60, db_pool_max_waiters=1
    )
    ann = await account(client)
    database = database_of(client)
    async with held(database, 5):
        waiting = asyncio.create_task(client.get(ME, headers=ann))
        await until(lambda: database.pool.waiting == 1)
        started_s = time.monotonic()
        refused = await client.get(ME, headers=ann)
        assert time.monotonic() - started_s < 30  # the timeout is 60
        assert refused.status_code == 503
        metrics = (await client.get("/metrics")).text
        assert total(metrics, "db_pool_waiters") == 1
        assert total(metrics, "db_pool_in_use") == 5
    assert (await waiting).status_code == 200


async def test_the_pool_shows_in_the_metrics(open_client: Open):
    """/metrics tells the pool's size, use and overflow as they are at that moment."""
    client = await open_client(db_pool_size=5, db_max_overflow=3)
    async with held(database_of(client), 7):
        metrics = (await client.get("/metrics")).text
    assert total(metrics, "db_pool_size") == 5
    assert total(metrics, "db_pool_in_use") == 7
    assert total(metrics, "db_pool_overflow") == 2
    assert total(metrics, "db_pool_waiters") == 0
    assert total(metrics, "db_pool_wait_seconds_count") >= 7
    assert total((await client.get("/metrics")).text, "db_pool_in_use") == 0


async def test_overflow_connections_outlive_a_peak(
    open_client: Open, monkeypatch: pytest.MonkeyPatch
):
    """Connections beyond the size stay open through a peak, and go when it is past."""
    client = await open_client(db_pool_size=5, db_max_overflow=3)
    database = database_of(client)
    async with held(database, 8):
        pass
    assert database.pool.state.overflow == 3
    monkeypatch.setattr(pool_module, "_OVERFLOW_IDLE_S", 0)
    for left in (2, 1, 0, 0):
        async with held(database, 1):
            pass
        assert database.pool.state.overflow == left


async def test_a_connection_the_server_closed_is_replaced(open_client: Open):
    """After PostgreSQL has closed every pooled connection, the next request is served."""
    client = await open_client(db_pool_size=5)
    ann = await account(client)
    database = database_of(client)
    async with held(database, 4) as (killer, *others):
        await killer.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await until(lambda: all(connection.is_closed() for connection in others))
    for _ in range(5):
        assert (await client.get(ME, headers=ann)).status_code == 200


async def test_a_cancelled_wait_leaves_no_waiter(open_client: Open):
    """A client that goes away while it waits for a connection takes nothing with it."""
    client = await open_client(db_pool_size=5, db_max_overflow=0, db_pool_timeout=60)
    database = database_of(client)
    async with held(database, 5):
        waiting = asyncio.create_task(client.get("/health"))
        await until(lambda: database.pool.waiting == 1)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert database.pool.waiting == 0
    assert database.pool.state.in_use == 0
    assert (await client.get("/health")).status_code == 200


def server_timing(answer: httpx2.Response) -> dict[str, float]:
    """The parts of an answer's time, in ms."""
    parts = re.findall(r"(\w+);dur=([\d.]+)", answer.headers["server-timing"])
    return {name: float(duration) for name, duration in parts}


@pytest.mark.parametrize("way", ["session", "driver"])
async def test_server_timing_tells_the_database_from_the_rest(open_client: Open, way: str):
    """Server-Timing gives the time in the database to `db`, by whichever way it is asked."""

    async def nap(request: Request) -> None:
        database: Database = request.app.state.database
        if way == "driver":
            async with database.driver_connection() as connection:
                await connection.fetchval("SELECT pg_sleep(0.2)::text")
        else:
            async with database.session() as session:
                await session.execute(text("SELECT pg_sleep(0.2)::text"))

    def add(app: FastAPI) -> None:
        app.add_api_route("/nap", nap)

    client = await open_client(add)
    await client.get("/nap")
    timing = server_timing(await client.get("/nap"))
    assert timing.keys() == {"pool", "db", "app"}
    assert timing["db"] >= 200
    assert timing["pool"] < 200


async def test_server_timing_tells_the_wait_for_the_pool(open_client: Open):
    """Server-Timing gives the time a request waits for a connection to `pool`."""
    client = await open_client(db_pool_size=5, db_max_overflow=0, db_pool_timeout=60)
    database = database_of(client)
    async with held(database, 5):
        waiting = asyncio.create_task(client.get("/health"))
        await until(lambda: database.pool.waiting == 1)
        waits_since_s = time.monotonic()
        await until(lambda: time.monotonic() - waits_since_s > 0.1)
    timing = server_timing(await waiting)
    assert timing["pool"] >= 100
    assert timing["app"] < timing["pool"]


@pytest.mark.parametrize("size", [4, 21])
def test_the_pool_size_is_bounded(make_settings: Callable[..., Settings], size: int):
    """A pool of fewer than 5 or more than 20 connections is refused with one line."""
    with pytest.raises(SettingsError, match="DB_POOL_SIZE"):
        make_settings(db_pool_size=size)
