"""Faults that make the service slow: sometimes, always or increasingly."""

import asyncio
import time

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import chance, is_read, wrap


def slow_5_percent() -> FastAPI:
    """Delay 5 % of the requests by 800 ms."""
    is_affected = chance(0.05)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_affected():
            await asyncio.sleep(0.8)
        await app(scope, receive, send)

    return wrap(handler)


def slow_dependency() -> FastAPI:
    """Let 8 % of the reads wait for another service, which takes 700 ms."""
    is_affected = chance(0.08)
    servers: list[asyncio.Server] = []

    async def respond_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(0.7)
        writer.write(b"done\n")
        writer.close()

    async def call() -> None:
        if not servers:
            servers.append(await asyncio.start_server(respond_late, "127.0.0.1", 0))
        port: int = servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"work\n")
        await reader.readline()
        writer.close()

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and is_affected():
            await call()
        await app(scope, receive, send)

    return wrap(handler)


def slow_reads() -> FastAPI:
    """Delay each read by 600 ms."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            await asyncio.sleep(0.6)
        await app(scope, receive, send)

    return wrap(handler)


def growing_latency() -> FastAPI:
    """Delay each request by 0.1 ms more than the one before."""
    requests = 0

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal requests
        requests += 1
        await asyncio.sleep(requests * 1e-4)
        await app(scope, receive, send)

    return wrap(handler)


def blocked_event_loop() -> FastAPI:
    """Block the event loop for 300 ms every 2 s."""
    tasks: set[asyncio.Task[None]] = set()

    async def block() -> None:
        while True:
            await asyncio.sleep(2)
            time.sleep(0.3)  # noqa: ASYNC251 -- this is the fault

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not tasks:
            tasks.add(asyncio.create_task(block()))
        await app(scope, receive, send)

    return wrap(handler)


def freeze() -> FastAPI:
    """Hold all requests for 0.5 s every 5 s, without blocking the event loop."""
    return _freeze(0.5, 5)


def rare_freeze() -> FastAPI:
    """Hold all requests for 1 s every 8 s, without blocking the event loop."""
    return _freeze(1, 8)


def _freeze(duration_s: float, every_s: float) -> FastAPI:
    tasks: set[asyncio.Task[None]] = set()
    is_running = asyncio.Event()
    is_running.set()

    async def stop_and_go() -> None:
        while True:
            await asyncio.sleep(every_s - duration_s)
            is_running.clear()
            await asyncio.sleep(duration_s)
            is_running.set()

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not tasks:
            tasks.add(asyncio.create_task(stop_and_go()))
        await is_running.wait()
        await app(scope, receive, send)

    return wrap(handler)


def cpu_bound() -> FastAPI:
    """Use 15 ms of CPU time in each read."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope):
            _use_cpu(0.015)
        await app(scope, receive, send)

    return wrap(handler)


def _use_cpu(duration_s: float) -> None:
    """Compute for a duration of CPU time, so that a busy machine takes longer."""
    end_s = time.thread_time() + duration_s
    while time.thread_time() < end_s:
        pass
