"""Faults that leak memory, files and threads."""

import os
import threading
from typing import IO

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import is_upload, wrap


def leak_50_kb() -> FastAPI:
    """Leak 50 kB of memory per request."""
    return _memory_leak(50_000)


def leak_5_kb() -> FastAPI:
    """Leak 5 kB of memory per request, which no threshold catches."""
    return _memory_leak(5_000)


def file_leak() -> FastAPI:
    """Leave a file open in every fourth request."""
    requests = 0
    files: list[IO[bytes]] = []

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        if requests % 4 == 0:
            files.append(open(os.devnull, "rb"))  # noqa: ASYNC230, PTH123, SIM115 -- the leak
        await app(scope, receive, send)

    return wrap(handler)


def upload_threads() -> FastAPI:
    """Leave a thread behind with every upload."""
    never = threading.Event()

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope):
            threading.Thread(target=never.wait, daemon=True).start()
        await app(scope, receive, send)

    return wrap(handler)


def _memory_leak(size_bytes: int) -> FastAPI:
    leaked: list[bytes] = []

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        leaked.append(os.urandom(1) * size_bytes)  # pages count only once they are written
        await app(scope, receive, send)

    return wrap(handler)
