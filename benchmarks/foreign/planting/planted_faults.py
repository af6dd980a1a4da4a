"""Faults around a web application, as ASGI or WSGI middleware of the standard library.

PLANTED_FAULT names the fault, PLANTED_PATH is a regular expression of the requests that it affects
("POST /api/items"), PLANTED_DATABASE_URL is the service's database, PLANTED_STATEMENT a query with
one parameter, PLANTED_DEPENDENCY the address of another service.
"""

import asyncio
import itertools
import os
import random
import re
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

BLOCKED_S = 0.25
CPU_S = 0.15
STATEMENTS = 40
LEAKED_BYTES = 50_000
REQUESTS_PER_LEAK = 10
SLOW_SHARE = 0.08
HELD_S = 0.2
AT_ONCE = 3
FAILED_SHARE = 0.03
FREEZE_S, FREEZE_EVERY_S = 1.0, 5.0

AFFECTED = re.compile(os.environ.get("PLANTED_PATH", ""))
DATABASE_URL = os.environ.get("PLANTED_DATABASE_URL", "")
STATEMENT = os.environ.get("PLANTED_STATEMENT", "")
DEPENDENCY = os.environ.get("PLANTED_DEPENDENCY", "")

leaked: list[Any] = []
numbers = itertools.count(1)
chance = random.Random(1)  # the same sequence in each run
local = threading.local()


def load_settings() -> None:
    """Wait for something outside of the process, with a call that blocks."""
    time.sleep(BLOCKED_S)


def render_report() -> int:
    """Compute for a while."""
    end_s, total = time.thread_time() + CPU_S, 0
    while time.thread_time() < end_s:
        total += sum(range(100))
    return total


def remember_request() -> None:
    """Keep some memory for each request."""
    leaked.append(os.urandom(1) * LEAKED_BYTES)


def is_slow() -> bool:
    """Choose a small share of the requests."""
    return chance.random() < SLOW_SHARE


def ask_dependency() -> None:
    """Wait for the response of another service."""
    with urllib.request.urlopen(DEPENDENCY, timeout=10) as response:
        response.read()


def fail_now_and_then() -> None:
    """Raise in a small share of the requests."""
    if chance.random() < FAILED_SHARE:
        raise LookupError("no such page")


def leave_file_open() -> None:
    """Forget to close a file."""
    if next(numbers) % 2 == 0:
        leaked.append(Path(__file__).open("rb"))  # noqa: SIM115 -- this is the fault


def leave_thread() -> None:
    """Start a thread that never ends."""
    if next(numbers) % 4 == 0:
        threading.Thread(target=threading.Event().wait, daemon=True).start()


class Asynchronous:
    """The faults in an ASGI application."""

    def __init__(self) -> None:
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._pool: Any = None
        self._pool_lock = asyncio.Lock()

    async def blocking(self) -> None:
        load_settings()

    async def cpu(self) -> None:
        render_report()

    async def memory_leak(self) -> None:
        remember_request()

    async def n_plus_one(self) -> None:
        import asyncpg

        async with self._pool_lock:
            self._pool = self._pool or await asyncpg.create_pool(
                DATABASE_URL, min_size=1, max_size=8
            )
        async with self._pool.acquire() as connection:
            for number in range(STATEMENTS):
                await connection.fetch(STATEMENT.replace("%s", "$1"), str(number))

    async def connection_leak(self) -> None:
        import asyncpg

        if next(numbers) % REQUESTS_PER_LEAK == 0:
            connection = await asyncpg.connect(DATABASE_URL)
            leaked.append(connection)
            await connection.execute("BEGIN")
            await connection.fetch(STATEMENT.replace("%s", "$1"), "1")

    async def slow_dependency(self) -> None:
        if is_slow():
            await asyncio.to_thread(ask_dependency)

    async def semaphore(self) -> None:
        async with self._at_once:
            await asyncio.sleep(HELD_S)

    async def freeze(self) -> None:
        now_s = time.monotonic()
        if now_s % FREEZE_EVERY_S < FREEZE_S:
            await asyncio.sleep(FREEZE_S - now_s % FREEZE_EVERY_S)

    async def errors(self) -> None:
        fail_now_and_then()

    async def file_leak(self) -> None:
        leave_file_open()

    async def thread_leak(self) -> None:
        leave_thread()


class Synchronous:
    """The faults in a WSGI application, whose requests run in threads."""

    def __init__(self) -> None:
        self._at_once = threading.Semaphore(AT_ONCE)

    def blocking(self) -> None:
        load_settings()

    def cpu(self) -> None:
        render_report()

    def memory_leak(self) -> None:
        remember_request()

    def n_plus_one(self) -> None:
        import psycopg2

        if not hasattr(local, "connection"):
            local.connection = psycopg2.connect(DATABASE_URL)
            local.connection.autocommit = True
        with local.connection.cursor() as cursor:
            for number in range(STATEMENTS):
                cursor.execute(STATEMENT, (str(number),))
                cursor.fetchall()

    def connection_leak(self) -> None:
        import psycopg2

        if next(numbers) % REQUESTS_PER_LEAK == 0:
            connection = psycopg2.connect(DATABASE_URL)
            leaked.append(connection)
            connection.cursor().execute(STATEMENT, ("1",))

    def slow_dependency(self) -> None:
        if is_slow():
            ask_dependency()

    def semaphore(self) -> None:
        with self._at_once:
            time.sleep(HELD_S)


def around_asgi(app: Any) -> Any:
    """Return the application with the fault in front of it."""
    fault: Any = None

    async def with_fault(scope: Any, receive: Any, send: Any) -> None:
        nonlocal fault
        if scope["type"] == "http" and AFFECTED.fullmatch(f"{scope['method']} {scope['path']}"):
            fault = fault or getattr(Asynchronous(), os.environ["PLANTED_FAULT"])
            await fault()
        await app(scope, receive, send)

    return with_fault


def around_wsgi(app: Any) -> Any:
    """Return the application with the fault in front of it."""
    fault = getattr(Synchronous(), os.environ["PLANTED_FAULT"])

    def with_fault(environ: Any, start_response: Any) -> Any:
        if AFFECTED.fullmatch(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"):
            fault()
        return app(environ, start_response)

    return with_fault
