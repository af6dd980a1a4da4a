"""Services that do not give back what they took."""

import os
from typing import IO

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.proving.planting import planted


def leak_50_kb() -> FastAPI:
    """50 kB of each request are never given back."""
    return _keeping(50_000)


def leak_5_kb() -> FastAPI:
    """5 kB of each request are never given back: no limit is near, but it does not stop."""
    return _keeping(5_000)


def files_leaked() -> FastAPI:
    """Every fourth request leaves a file open."""
    requests = 0
    files: list[IO[bytes]] = []

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        if requests % 4 == 0:
            files.append(open(os.devnull, "rb"))  # noqa: ASYNC230, PTH123, SIM115 -- the leak
        await app(scope, receive, send)

    return planted(answer)


def _keeping(size_bytes: int) -> FastAPI:
    kept: list[bytes] = []

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        kept.append(os.urandom(1) * size_bytes)  # written to, or the system would not count it
        await app(scope, receive, send)

    return planted(answer)
