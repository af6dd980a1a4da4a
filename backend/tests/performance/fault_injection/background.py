"""Background tasks that run during a load test, against the database or processes of the service.

Each is an endless coroutine, cancelled at the end of the load.
"""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil

WORKER_COMMANDS = ("app.serve", "multiprocessing.spawn")
"""Parts of the commands of workers: forks of `app.serve`, and after SIGHUP new processes."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service under test.

    Attributes:
        database_url: URL of its database.
        pid: Process id of its main process.
    """

    database_url: str
    pid: int


BackgroundTask = Callable[[RunningService], Coroutine[Any, Any, None]]


def locking(statement: str, *, for_s: float, every_s: float) -> BackgroundTask:
    """Return a task that holds the locks of a statement for a part of each period."""

    async def lock(service: RunningService) -> None:
        connection = await asyncpg.connect(service.database_url)
        try:
            while True:
                async with connection.transaction():
                    await connection.execute(statement)
                    await asyncio.sleep(for_s)
                await asyncio.sleep(every_s - for_s)
        finally:
            connection.terminate()

    return lock


row_lock = locking("SELECT FROM sessions FOR UPDATE", for_s=1.5, every_s=2)
table_lock = locking("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE", for_s=1.2, every_s=4)
"""A migration in one transaction."""


async def database_outage(service: RunningService) -> None:
    """Refuse database connections for 2 of every 8 s, and terminate the open ones."""
    name = urlsplit(service.database_url).path.lstrip("/")
    connection = await asyncpg.connect(service.database_url, database="postgres")
    try:
        while True:
            await asyncio.sleep(6)
            await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            await asyncio.sleep(2)
            await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        connection.terminate()


async def kill_workers(service: RunningService) -> None:
    """Kill the oldest worker of the service every 3 s, like the kernel when memory runs out."""
    while True:
        await asyncio.sleep(3)
        workers = [child for child in psutil.Process(service.pid).children() if _is_worker(child)]
        if workers:
            min(workers, key=lambda child: child.create_time()).kill()


def _is_worker(process: psutil.Process) -> bool:
    try:
        command = " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # also raised for zombies
        return False
    return any(word in command for word in WORKER_COMMANDS)


async def vacuum(service: RunningService) -> None:
    """Run VACUUM (ANALYZE) repeatedly, with pauses of 1 s."""
    connection = await asyncpg.connect(service.database_url)
    try:
        while True:
            await connection.execute("VACUUM (ANALYZE)")
            await asyncio.sleep(1)
    finally:
        connection.terminate()


async def noisy_neighbor(_service: RunningService) -> None:
    """Keep one core busy with another process for 5 of every 15 s."""
    while True:
        await asyncio.sleep(5)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        try:
            await asyncio.sleep(5)
        finally:
            process.kill()
            await process.wait()
        await asyncio.sleep(5)


async def rolling_restart(service: RunningService) -> None:
    """Make uvicorn replace its workers one by one after 10 s, each after its last request."""
    await asyncio.sleep(10)
    os.kill(service.pid, signal.SIGHUP)
    await asyncio.Event().wait()


@contextmanager
def run_background(task: BackgroundTask | None, service: RunningService) -> Iterator[None]:
    """Run the background task of a fault, if it has one; re-raise its error at the end."""
    if task is None:
        yield
        return
    errors: list[BaseException] = []
    loop = asyncio.new_event_loop()
    running = loop.create_task(task(service))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            try:
                loop.run_until_complete(running)
            except Exception as error:  # noqa: BLE001 -- raised below, in the calling thread
                errors.append(error)

    thread = threading.Thread(target=run, name=task.__name__)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(running.cancel)
        thread.join()
        loop.close()
    if errors:
        raise errors[0]
