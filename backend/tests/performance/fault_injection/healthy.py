"""Healthy services with unusual but acceptable behavior: the load tests must not alarm."""

import asyncio
import time

from app.main import create_app
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import chance, is_read, wrap
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SHUTDOWN_DELAY_S = 0.1
PROBES = ("/ready", "/metrics", "/live")


def filling_cache() -> FastAPI:
    """Fill a cache of 40 MB with every second request, then stop growing."""
    requests = 0
    cache: list[bytes] = []

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        if requests % 2 == 0 and len(cache) < 1000:
            cache.append(bytes([1]) * 40_000)
        await app(scope, receive, send)

    return wrap(handler)


def rolling_restart() -> FastAPI:
    """Serve requests that are in transit on idle connections before a worker exits.

    uvicorn closes idle connections immediately. With 100 clients that send at the same moment, a
    request is occasionally lost, which a load test rightly reports.
    """
    shutdown_now = HttpToolsProtocol.shutdown

    def shutdown(self: HttpToolsProtocol) -> None:
        self.loop.call_later(SHUTDOWN_DELAY_S, shutdown_now, self)

    HttpToolsProtocol.shutdown = shutdown  # type: ignore[method-assign]  # in this process only
    return create_app()


def gc_pauses() -> FastAPI:
    """Pause for 20 ms every second, like a garbage collection."""
    tasks: set[asyncio.Task[None]] = set()

    async def pause() -> None:
        while True:
            await asyncio.sleep(1)
            time.sleep(0.02)  # noqa: ASYNC251 -- this is the pause

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not tasks:
            tasks.add(asyncio.create_task(pause()))
        await app(scope, receive, send)

    return wrap(handler)


def tail_within_target() -> FastAPI:
    """Delay 2 % of the reads by 150 ms, which is within the thresholds."""
    is_affected = chance(0.02)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and is_affected():
            await asyncio.sleep(0.15)
        await app(scope, receive, send)

    return wrap(handler)


def slow_first_request() -> FastAPI:
    """Delay the first request, except probes, by 2 s, like a lazy initialization."""
    is_initialized = False

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal is_initialized
        if not is_initialized and scope["path"] not in PROBES:
            is_initialized = True
            await asyncio.sleep(2)
        await app(scope, receive, send)

    return wrap(handler)
