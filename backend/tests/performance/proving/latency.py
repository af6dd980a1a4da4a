"""Services that are slow: now and then, always, or ever more."""

import asyncio
import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.proving.planting import chance, is_read, planted


def slow_twentieth() -> FastAPI:
    """5 % of the requests take 800 ms longer."""
    hit = chance(0.05)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if hit():
            await asyncio.sleep(0.8)
        await app(scope, receive, send)

    return planted(answer)


def slow_reads() -> FastAPI:
    """Each read takes 600 ms longer."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            await asyncio.sleep(0.6)
        await app(scope, receive, send)

    return planted(answer)


def ever_slower() -> FastAPI:
    """Each request makes all later ones 0.1 ms slower."""
    requests = 0

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        await asyncio.sleep(requests * 1e-4)
        await app(scope, receive, send)

    return planted(answer)


def loop_blocked() -> FastAPI:
    """Every 2 seconds something holds the event loop for 300 ms."""
    blocking: set[asyncio.Task[None]] = set()

    async def block() -> None:
        while True:
            await asyncio.sleep(2)
            time.sleep(0.3)  # noqa: ASYNC251 -- this is what is planted

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not blocking:
            blocking.add(asyncio.create_task(block()))
        await app(scope, receive, send)

    return planted(answer)


def frozen() -> FastAPI:
    """Every 5 seconds nobody is answered for half a second, though the event loop turns."""
    freezing: set[asyncio.Task[None]] = set()
    free = asyncio.Event()
    free.set()

    async def freeze() -> None:
        while True:
            await asyncio.sleep(4.5)
            free.clear()
            await asyncio.sleep(0.5)
            free.set()

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not freezing:
            freezing.add(asyncio.create_task(freeze()))
        await free.wait()
        await app(scope, receive, send)

    return planted(answer)


def cpu_burnt() -> FastAPI:
    """Each read computes for 15 ms."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            _compute(0.015)
        await app(scope, receive, send)

    return planted(answer)


def _compute(seconds: float) -> None:
    """By CPU time: on a busy machine it takes longer, as real work does."""
    end_s = time.thread_time() + seconds
    while time.thread_time() < end_s:
        pass
