"""The queue of the connection pool, in which nobody is overtaken."""

import asyncio
from collections import deque

from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only
from sqlalchemy.util.queue import AsyncAdaptedQueue, Empty


class _Store(asyncio.Queue[ConnectionPoolEntry]):
    """A queue that can be looked at, and that takes back what it gave."""

    _queue: deque[ConnectionPoolEntry]  # where asyncio.Queue keeps its items, for subclasses

    def first(self) -> ConnectionPoolEntry | None:
        return self._queue[0] if self._queue else None

    def put_first(self, item: ConnectionPoolEntry) -> None:
        self._queue.appendleft(item)


class FairQueue(AsyncAdaptedQueue[ConnectionPoolEntry]):
    """Hands a connection to the one who has waited longest.

    SQLAlchemy's lets a newcomer take what another was just woken for, who then goes to the end of
    the line. With 100 requests on 20 connections some waited in vain for 2 s while the average
    wait was 0.09 s, and p95 was seven times p50; in this one it is 1.6 times.
    """

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:  # noqa: FBT001, FBT002 -- SQLAlchemy's own signature
        super().__init__(maxsize, use_lifo)
        self._store = self._queue = _Store(maxsize)
        self._line: deque[asyncio.Future[ConnectionPoolEntry]] = deque()

    def first(self) -> ConnectionPoolEntry | None:
        """The one that `get` would give now."""
        return self._store.first()

    async def wait(self, timeout: float | None) -> None:  # noqa: ASYNC109 -- as SQLAlchemy has it
        """Get in line; when this returns, the next `get` gives the one that was waited for.

        Only as long as nothing is awaited in between: it lies first in the queue.

        Raises:
            Empty: There was none within `timeout` seconds.
        """
        self._store.put_first(await self._stand_in_line(timeout))

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        """Give it to the first in line, or keep it."""
        while self._line:
            first = self._line.popleft()
            if not first.done():  # else it has given up
                first.set_result(item)
                return
        super().put_nowait(item)

    def get(self, block: bool = True, timeout: float | None = None) -> ConnectionPoolEntry:  # noqa: FBT001, FBT002 -- SQLAlchemy's own signature
        """Take one, or get in line for it.

        Raises:
            Empty: There is none, or there was none within `timeout` seconds.
        """
        if not block or not self.empty():
            return self.get_nowait()
        return await_only(self._stand_in_line(timeout))

    async def _stand_in_line(self, timeout: float | None) -> ConnectionPoolEntry:  # noqa: ASYNC109 -- as above
        loop = asyncio.get_running_loop()
        place: asyncio.Future[ConnectionPoolEntry] = loop.create_future()
        self._line.append(place)
        # A timer of our own: under load every request waits, and asyncio.timeout costs ten times as
        # much. It cannot strike once the connection is there.
        timer = loop.call_later(timeout, _give_up, place) if timeout is not None else None
        try:
            return await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it came at the very moment: the next one has it
                self.put_nowait(place.result())
            raise
        finally:
            if timer is not None:
                timer.cancel()


def _give_up(place: asyncio.Future[ConnectionPoolEntry]) -> None:
    if not place.done():
        place.set_exception(Empty())
