"""Nobody who waits for a database connection is overtaken, and no connection is lost."""

import asyncio
from typing import Any

import pytest
from app.fair_queue import FairQueue
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.queue import Empty

# The queue does not look at what it holds: numbers stand for connections.
Queue = Any


@pytest.fixture
def queue() -> Queue:
    """An empty queue."""
    return FairQueue(1)


async def take(queue: Queue, timeout_s: float = 10.0) -> object:
    """Take one as a request does, whose coroutine stands behind SQLAlchemy's greenlet."""
    return await greenlet_spawn(queue.get, block=True, timeout=timeout_s)


async def until_in_line(queue: Queue, waiting: int) -> None:
    """Let the others run until so many wait."""
    while len(queue._waiters) < waiting:  # noqa: ASYNC110 -- the queue announces nothing
        await asyncio.sleep(0)


async def test_who_waits_is_served_before_who_comes(queue: Queue):
    """A connection that comes back goes to the one who waits, not to one who comes meanwhile."""
    waiting = asyncio.create_task(take(queue))
    await until_in_line(queue, 1)
    queue.put_nowait(1)
    with pytest.raises(Empty):
        queue.get_nowait()
    assert await waiting == 1


async def test_the_line_is_served_in_order(queue: Queue):
    """Who has waited longest is served first."""
    waiting = [asyncio.create_task(take(queue)) for _ in range(3)]
    await until_in_line(queue, 3)
    for number in range(3):
        queue.put_nowait(number)
    assert await asyncio.gather(*waiting) == [0, 1, 2]


async def test_who_gives_up_takes_nothing_along(queue: Queue):
    """A connection is not lost with one who waited too long or was cancelled as it came."""
    with pytest.raises(Empty):
        await take(queue, timeout_s=0.001)
    cancelled = asyncio.create_task(take(queue))
    await until_in_line(queue, 1)
    queue.put_nowait(1)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await take(queue) == 1
