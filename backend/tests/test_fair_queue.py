"""Waiters get connections in order, and no connection is lost."""

import asyncio
from typing import Any

import pytest
from app.fair_queue import FairQueue
from sqlalchemy.util.queue import Empty
from virtual_time import run

# The queue does not use its items, so the tests use numbers as connections.
Queue = Any


@pytest.fixture
def queue() -> Queue:
    """An empty queue."""
    return FairQueue(1)


async def take(queue: Queue, timeout_s: float = 10.0) -> object:
    """Wait for an item like a request does."""
    await queue.wait_available(timeout_s)
    return queue.get_nowait()


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
    assert queue.get_nowait() == 1


def test_waiter_that_is_cancelled_as_it_times_out_is_cancelled(queue: Queue):
    """A cancellation is not lost if the waiter times out at the same moment."""

    async def cancel_at_timeout() -> None:
        waiting = asyncio.create_task(take(queue, timeout_s=1))
        await wait_for_waiters(queue, 1)
        asyncio.get_running_loop().call_later(1, waiting.cancel)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(cancel_at_timeout())


async def test_waiters_that_timed_out_use_no_memory(queue: Queue):
    """A waiter that times out or is cancelled leaves the queue at once."""
    waiting = [asyncio.create_task(take(queue, timeout_s=number % 2)) for number in range(10)]
    await wait_for_waiters(queue, 10)
    for task in waiting[1::2]:
        task.cancel()
    await asyncio.wait(waiting)
    assert not queue._waiters


async def test_cancelled_waiter_passes_on_its_permission(queue: Queue):
    """Permission to open a connection goes to the next waiter if the first is cancelled."""
    first, second = asyncio.create_task(take(queue)), asyncio.create_task(take(queue))
    await wait_for_waiters(queue, 2)
    queue.permit_opening()
    first.cancel()
    with pytest.raises(Empty):  # nothing in the queue: the second may open a connection
        await second
    assert first.cancelled()


async def test_permission_is_reserved_for_its_waiter(queue: Queue):
    """Permission to open a connection counts until its waiter runs, so that none overtakes it."""
    queue.permit_opening()
    assert queue.permitted == 0  # without a waiter
    waiting = asyncio.create_task(queue.wait_available(10))
    await wait_for_waiters(queue, 1)
    queue.permit_opening()
    assert queue.permitted == 1
    await waiting
    assert queue.permitted == 0
