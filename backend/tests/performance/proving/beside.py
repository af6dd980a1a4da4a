"""What happens beside the service while it is under load: in its database, or on its machine.

Each is an endless coroutine, which is cancelled when the load is over.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import psutil


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service runs.

    Attributes:
        database_url: Its database.
        pid: Its main process.
    """

    database_url: str
    pid: int


Beside = Callable[[Place], Coroutine[Any, Any, None]]


async def row_lock(place: Place) -> None:
    """A writer locks all sessions for 1.5 seconds, and again after half a second."""
    connection = await asyncpg.connect(place.database_url)
    try:
        while True:
            async with connection.transaction():
                await connection.execute("SELECT FROM sessions FOR UPDATE")
                await asyncio.sleep(1.5)
            await asyncio.sleep(0.5)
    finally:
        connection.terminate()


async def table_locked(place: Place) -> None:
    """As by a migration in one transaction: nobody reads sessions for 1.2 s of each 4."""
    connection = await asyncpg.connect(place.database_url)
    try:
        while True:
            async with connection.transaction():
                await connection.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
                await asyncio.sleep(1.2)
            await asyncio.sleep(2.8)
    finally:
        connection.terminate()


async def database_away(place: Place) -> None:
    """Of each 8 s the database lets nobody in for 2, and ends whatever is connected."""
    name = urlsplit(place.database_url).path.lstrip("/")
    connection = await asyncpg.connect(place.database_url, database="postgres")
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


async def workers_killed(place: Place) -> None:
    """Each 3 s the system kills one of the service's workers, as when memory runs out."""
    while True:
        await asyncio.sleep(3)
        workers = [child for child in psutil.Process(place.pid).children() if _is_worker(child)]
        if workers:
            min(workers, key=lambda child: child.create_time()).kill()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "multiprocessing.spawn" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # also of one that is dead and not buried
        return False


async def vacuum(place: Place) -> None:
    """VACUUM and ANALYZE go over the tables, with a second's rest between."""
    connection = await asyncpg.connect(place.database_url)
    try:
        while True:
            await connection.execute("VACUUM (ANALYZE)")
            await asyncio.sleep(1)
    finally:
        connection.terminate()


async def neighbour(_place: Place) -> None:
    """Another program keeps one core busy for 5 seconds of each 15."""
    while True:
        await asyncio.sleep(5)
        program = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
        try:
            await asyncio.sleep(5)
        finally:
            program.kill()
            await program.wait()
        await asyncio.sleep(5)


async def restart(place: Place) -> None:
    """After 10 seconds uvicorn replaces its workers, one by one, each once it has finished."""
    await asyncio.sleep(10)
    os.kill(place.pid, signal.SIGHUP)
    await asyncio.Event().wait()
