"""Waiters get connections in order, and no connection is lost."""

import asyncio
from typing import Any

import pytest
from app.fair_queue import FairQueue
from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.queue import Empty

# The queue does not use its items, so the tests use numbers as connections.
Queue = Any


@pytest.fixture
def queue() -> Queue:
    """An empty queue."""
    return FairQueue(1)


async def take(queue: Queue, timeout_s: float = 10.0) -> object:
    """Get an item like a request does, inside SQLAlchemy's greenlet."""
    return await greenlet_spawn(queue.get, block=True, timeout=timeout_s)


async def wait_for_waiters(queue: Queue, waiting: int) -> None:
    """Run other tasks until this many are waiting."""
    while len(queue._waiters) < waiting:  # noqa: ASYNC110 -- the queue has no event for it
        await asyncio.sleep(0)


async def test_waiter_is_served_before_a_new_request(queue: Queue):
    """A returned connection goes to the waiter, not to a request that arrives afterwards."""
    waiting = asyncio.create_task(take(queue))
    await wait_for_waiters(queue, 1)
    queue.put_nowait(1)
    with pytest.raises(Empty):
        queue.get_nowait()
    assert await waiting == 1


async def test_waiters_are_served_in_order(queue: Queue):
    """The longest waiter is served first."""
    waiting = [asyncio.create_task(take(queue)) for _ in range(3)]
    await wait_for_waiters(queue, 3)
    for number in range(3):
        queue.put_nowait(number)
    assert await asyncio.gather(*waiting) == [0, 1, 2]


async def test_cancelled_waiter_does_not_lose_a_connection(queue: Queue):
    """No connection is lost if a waiter times out, or is cancelled when it gets one."""
    with pytest.raises(Empty):
        await take(queue, timeout_s=0.001)
    cancelled = asyncio.create_task(take(queue))
    await wait_for_waiters(queue, 1)
    queue.put_nowait(1)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert await take(queue) == 1
