"""Services that are as they should be, though something is going on: nothing may be found."""

import asyncio
import time

from app.main import create_app
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.proving.planting import chance, is_read, planted
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LINGER_S = 0.1
PROBES = ("/ready", "/metrics", "/live")


def cache_that_fills() -> FastAPI:
    """A cache of 40 MB fills with every second request, and stops growing."""
    requests = 0
    cache: list[bytes] = []

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        if requests % 2 == 0 and len(cache) < 1000:
            cache.append(bytes([1]) * 40_000)
        await app(scope, receive, send)

    return planted(answer)


def graceful_restart() -> FastAPI:
    """A restart loses nothing: what is on its way on an idle connection is still answered.

    uvicorn closes such connections at once. With a hundred clients that come back at the same
    moment, their first request is then lost now and then, which a load test rightly reports.
    """
    at_once = HttpToolsProtocol.shutdown

    def shutdown(self: HttpToolsProtocol) -> None:
        self.loop.call_later(LINGER_S, at_once, self)

    HttpToolsProtocol.shutdown = shutdown  # type: ignore[method-assign]  # in this process only
    return create_app()


def collector_pauses() -> FastAPI:
    """Once a second everything stands still for 20 ms, as when memory is tidied up."""
    pausing: set[asyncio.Task[None]] = set()

    async def pause() -> None:
        while True:
            await asyncio.sleep(1)
            time.sleep(0.02)  # noqa: ASYNC251 -- this is the pause

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not pausing:
            pausing.add(asyncio.create_task(pause()))
        await app(scope, receive, send)

    return planted(answer)


def tail_within_target() -> FastAPI:
    """2 % of the reads take 150 ms longer, which nobody forbids."""
    hit = chance(0.02)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and hit():
            await asyncio.sleep(0.15)
        await app(scope, receive, send)

    return planted(answer)


def slow_first_request() -> FastAPI:
    """The first request but for probes takes 2 seconds, as where something is made on demand."""
    asked = False

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        if not asked and scope["path"] not in PROBES:
            asked = True
            await asyncio.sleep(2)
        await app(scope, receive, send)

    return planted(answer)
