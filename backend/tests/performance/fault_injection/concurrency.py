"""Faults that limit how many requests the service works on at a time."""

import asyncio

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import is_read, wrap

MAX_READS = 8


def one_at_a_time() -> FastAPI:
    """Hold a lock for 25 ms in each read."""
    return _limited(1, 0.025)


def three_at_a_time() -> FastAPI:
    """Hold one of three places for 75 ms in each read."""
    return _limited(3, 0.075)


def _limited(places: int, held_s: float) -> FastAPI:
    semaphore = asyncio.Semaphore(places)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            async with semaphore:
                await asyncio.sleep(held_s)
        await app(scope, receive, send)

    return wrap(handler)


def load_shed() -> FastAPI:
    """Reject reads with a 503 while eight others are in flight."""
    in_flight = 0
    busy = JSONResponse({"error": {"code": "busy", "message": "Try again later."}}, 503)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal in_flight
        if not is_read(scope):
            await app(scope, receive, send)
        elif in_flight >= MAX_READS:
            await busy(scope, receive, send)
        else:
            in_flight += 1
            try:
                await app(scope, receive, send)
            finally:
                in_flight -= 1

    return wrap(handler)
