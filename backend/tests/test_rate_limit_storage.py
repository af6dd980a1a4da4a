"""Storages of the rate limits' counters."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from app.database import Database
from app.middleware import rate_limit_counters
from app.middleware.rate_limit_storage import MemoryStorage, PostgresStorage
from app.settings import Settings
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from service import DEADLINE_S, Service, account


@given(
    limit=st.integers(1, 5),
    gaps_s=st.lists(st.floats(0, 70, allow_nan=False), max_size=60),
)
def test_window_never_exceeds_its_limit(limit: int, gaps_s: list[float]):
    """A window starts with its first request, serves at most its limit and reports its end."""
    now_s = [0.0]
    storage = MemoryStorage(clock=lambda: now_s[0])

    async def run() -> None:
        opened_s = None
        served = 0
        for gap_s in gaps_s:
            now_s[0] += gap_s
            window = await storage.hit("ann", 60)
            if opened_s is None or now_s[0] >= opened_s + 60:
                opened_s, served = now_s[0], 0
            served += window.used <= limit
            assert served <= limit
            assert window.resets_in_s == pytest.approx(opened_s + 60 - now_s[0])

    asyncio.run(run())


def test_expired_windows_use_no_memory():
    """Memory is bounded by the number of open windows, for any number of users."""
    now_s = [0.0]
    storage = MemoryStorage(clock=lambda: now_s[0])

    async def run() -> None:
        for user in range(20_000):
            now_s[0] += 1
            await storage.hit(f"user {user}", 60)

    asyncio.run(run())
    assert len(storage._windows) <= 1024


async def test_storages_implement_the_limits_interface(settings: Settings, app: FastAPI):
    """Both storages implement all methods of a storage of `limits`."""
    database: Database = app.state.database
    for storage in (MemoryStorage(), PostgresStorage(database=database)):
        assert await storage.incr("ann", 60) == 1
        assert await storage.incr("ann", 60, amount=2) == 3
        assert await storage.get("ann") == 3
        assert time.time() < await storage.get_expiry("ann") <= time.time() + 61
        assert await storage.check()
        await storage.clear("ann")
        assert await storage.get("ann") == 0
        await storage.incr("ben", 60)
        assert await storage.reset() == 1
    assert settings.rate_limit_storage == "memory"


@pytest.mark.e2e
def test_workers_share_counters_in_postgres(serve: Callable[..., Service]):
    """With counters in PostgreSQL, two workers together serve exactly the limit."""
    service = serve("--workers", "2", RATE_LIMIT_STORAGE="postgres", RATE_LIMIT_DEFAULT="40/minute")

    async def run() -> tuple[list[int], set[str]]:
        async with httpx2.AsyncClient(base_url=service.url) as client:
            ann = await account(client)
        codes, workers = [], set()
        for _ in range(60):  # on new connections, so that both workers get some
            async with httpx2.AsyncClient(base_url=service.url) as client:
                response = await client.get("/api/v1/auth/me", headers=ann)
            codes.append(response.status_code)
            workers.add(response.headers["x-request-id"].split("-")[0])
        return codes, workers

    codes, workers = asyncio.run(run())
    assert len(workers) == 2
    assert codes == [200] * 40 + [429] * 20
    health = httpx2.get(f"{service.url}/health").json()
    assert health["rate_limit"] == {"enabled": True, "shared": True, "warning": None}


@pytest.mark.e2e
def test_several_workers_with_memory_counters_warn(serve: Callable[..., Service]):
    """Two workers with counters in memory warn in the log and in /health."""
    service = serve("--workers", "2")
    warning = httpx2.get(f"{service.url}/health").json()["rate_limit"]["warning"]
    assert "RATE_LIMIT_STORAGE=postgres" in warning
    assert warning in service.output()


@pytest.mark.e2e
def test_single_worker_does_not_warn(serve: Callable[..., Service]):
    """A single worker with counters in memory does not warn."""
    service = serve()
    health = httpx2.get(f"{service.url}/health").json()
    assert health["rate_limit"] == {"enabled": True, "shared": False, "warning": None}


async def test_silent_redis_is_503_in_time(
    open_client: Callable[..., Awaitable[httpx2.AsyncClient]], monkeypatch: pytest.MonkeyPatch
):
    """A Redis that accepts connections and does not respond costs two timeouts, and a 503."""
    monkeypatch.setattr(rate_limit_counters, "REDIS_TIMEOUT_S", 0.05)
    connections = []

    async def ignore(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)

    async with await asyncio.start_server(ignore, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = await open_client(rate_limit_storage=f"redis://127.0.0.1:{port}")
        async with asyncio.timeout(DEADLINE_S):
            response = await client.get("/api/sessions/")
        assert response.json()["error"]["code"] == "rate_limit_unavailable"
        assert response.status_code == 503
        assert 1 <= len(connections) <= 2
        for writer in connections:
            writer.close()
