"""First-in, first-out queue for the connection pool."""

import asyncio
from collections import OrderedDict, deque

from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty

Turn = ConnectionPoolEntry | None
"""A connection, or None for permission to open one."""


class _Store(asyncio.Queue[ConnectionPoolEntry]):
    """A queue with access to its first item."""

    _queue: deque[ConnectionPoolEntry]  # asyncio.Queue's items, documented for subclasses

    def peek(self) -> ConnectionPoolEntry | None:
        return self._queue[0] if self._queue else None

    def put_front(self, item: ConnectionPoolEntry) -> None:
        self._queue.appendleft(item)


class FairQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """Queue that gives a connection to the request that has waited longest.

    SQLAlchemy's queue lets a new request take the connection that another was woken for; the other
    then waits again at the end. With 100 requests on 20 connections some timed out after 2 s while
    the average wait was 0.09 s, and p95 was 7 times p50. With this queue it is 1.6 times.

    Attributes:
        permitted: Waiters that may open a connection and have not run yet. The pool counts them as
            open connections, so that no new request overtakes them.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:  # noqa: FBT001, FBT002 -- SQLAlchemy's own signature
        super().__init__(maxsize, use_lifo)
        self._store = self._queue = _Store(maxsize)
        # An ordered set, because a waiter that times out leaves from the middle.
        self._waiters: OrderedDict[asyncio.Future[Turn], None] = OrderedDict()
        self.permitted = 0

    def peek(self) -> ConnectionPoolEntry | None:
        """Return the item that `get` would return now, without removing it."""
        return self._store.peek()

    async def wait_available(self, timeout: float | None) -> None:  # noqa: ASYNC109 -- like SQLAlchemy's methods
        """Wait for a connection, which `get` returns next, or for permission to open one.

        Either is reserved for the caller only if it awaits nothing before it takes it.

        Raises:
            Empty: Neither became available within `timeout` seconds.
        """
        turn = await self._wait_turn(timeout)
        if turn is None:
            self.permitted -= 1
        else:
            self._store.put_front(turn)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        """Give the item to the first waiter, or store it."""
        if not self._end_wait(item):
            super().put_nowait(item)

    def permit_opening(self) -> None:
        """Let the first waiter, if any, open a connection in place of one that is gone."""
        if self._end_wait(None):
            self.permitted += 1

    def _end_wait(self, turn: Turn) -> bool:
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():  # a done waiter has timed out or was cancelled
                waiter.set_result(turn)
                return True
        return False

    async def _wait_turn(self, timeout: float | None) -> Turn:  # noqa: ASYNC109 -- as above
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Turn] = loop.create_future()
        self._waiters[waiter] = None
        # Not asyncio.timeout, which costs ten times as much: under load every request waits here.
        timer = loop.call_later(timeout, _time_out, waiter) if timeout is not None else None
        try:
            return await waiter
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        finally:
            self._waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def _pass_on(self, waiter: asyncio.Future[Turn]) -> None:
        """Give the turn of a cancelled waiter, if it already had one, to the next."""
        if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
            return
        turn = waiter.result()
        if turn is None:
            self.permitted -= 1
            self.permit_opening()
        else:
            self.put_nowait(turn)


def _time_out(waiter: asyncio.Future[Turn]) -> None:
    if not waiter.done():
        waiter.set_exception(Empty())
