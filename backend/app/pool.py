"""SQLAlchemy's connection pool with metrics, fair queueing and fast failure.

It counts waiting requests and measures their wait, serves them in order, fails immediately if too
many are waiting, and keeps overflow connections open during a peak.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Literal, NamedTuple, Protocol, TypeVar

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.pool.base import _ConnectionRecord
from sqlalchemy.util.concurrency import await_only, greenlet_spawn
from sqlalchemy.util.queue import Empty

from app.context import current_request
from app.errors import Unavailable
from app.fair_queue import FairQueue

T = TypeVar("T")
_OVERFLOW_IDLE_S = 10


class TimedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is untyped
    """An asyncpg connection that adds the duration of its calls to the current request.

    This includes the BEGIN and COMMIT of SQLAlchemy, which are sent with `execute`.
    """

    async def execute(self, *args: object, **kwargs: object) -> str:
        """Run a command, timed."""
        return await _timed(super().execute(*args, **kwargs))

    async def fetch(self, *args: object, **kwargs: object) -> list[asyncpg.Record]:
        """Fetch rows, timed."""
        return await _timed(super().fetch(*args, **kwargs))

    async def fetchrow(self, *args: object, **kwargs: object) -> asyncpg.Record | None:
        """Fetch one row, timed."""
        return await _timed(super().fetchrow(*args, **kwargs))

    async def fetchval(self, *args: object, **kwargs: object) -> object:
        """Fetch one value, timed."""
        return await _timed(super().fetchval(*args, **kwargs))


async def _timed(call: Awaitable[T]) -> T:
    request = current_request.get()
    if request is None:
        return await call
    request.enter_database()
    try:
        return await call
    finally:
        request.leave_database()


class PoolState(NamedTuple):
    """State of the connection pool.

    Attributes:
        size: Connections that the pool keeps open.
        in_use: Connections in use.
        overflow: Open connections beyond `size`.
        waiting: Requests waiting for a connection.
    """

    size: int
    in_use: int
    overflow: int
    waiting: int


class PoolObserver(Protocol):
    """Receiver of pool events."""

    def on_change(self, state: PoolState) -> None:
        """Receive the state after a checkout, a return or a change in the number of waiters."""

    def on_wait(self, wait_s: float) -> None:
        """Receive the duration of a checkout, successful or not."""

    def on_refusal(self) -> None:
        """Receive a checkout that timed out or exceeded the number of waiters."""


class InstrumentedPool(AsyncAdaptedQueuePool):
    """Connection pool with an observer, which fails fast when it is exhausted.

    SQLAlchemy closes an overflow connection when it is returned, so a load slightly above the pool
    size opens and closes connections all the time, at milliseconds each. This pool keeps them open
    and closes them on return `_OVERFLOW_IDLE_S` seconds after the last peak.
    """

    _queue_class = FairQueue

    base_size = 0
    max_waiters = 0
    observer: PoolObserver | None = None
    waiting = 0
    refusals = 0
    _peak_ns = 0
    _waited_ns = 0

    @property
    def state(self) -> PoolState:
        """The current state."""
        open_count = self._pool.maxsize + self.overflow()
        return PoolState(
            size=self.base_size,
            in_use=open_count - self.checkedin(),
            overflow=max(0, open_count - self.base_size),
            waiting=self.waiting,
        )

    @property
    def closes_on_return(self) -> bool:
        """True if the next returned connection is to be closed."""
        if self.checkedin() < self.base_size:
            return False
        return perf_counter_ns() - self._peak_ns > _OVERFLOW_IDLE_S * 1e9

    @property
    def _queue(self) -> FairQueue:
        queue = self._pool
        assert isinstance(queue, FairQueue)
        return queue

    @property
    def _is_exhausted(self) -> bool:
        open_or_permitted = self.overflow() + self._queue.permitted
        return self.checkedin() == 0 and open_or_permitted >= self._max_overflow

    async def checkout(self) -> PoolProxiedConnection:
        """Check out a connection.

        SQLAlchemy's greenlet is used only if the connection must be opened first: mapping memory
        for its stack costs more than the rest of the checkout.

        Raises:
            Unavailable: The pool is exhausted or the database is unavailable.
        """
        if self._is_exhausted:
            started_ns = perf_counter_ns()
            try:
                with self._waiter():
                    await self._queue.wait_available(self._timeout)
            except (Unavailable, asyncio.CancelledError):
                self._record_wait(started_ns)
                raise
            self._waited_ns = perf_counter_ns() - started_ns  # `_do_get`, called next, adds it
        entry = self._queue.peek()
        if entry is not None and is_open(entry) and not is_invalidated(entry):
            return self.connect()
        return await greenlet_spawn(self.connect)

    def _do_get(self) -> ConnectionPoolEntry:
        started_ns = perf_counter_ns() - self._waited_ns
        self._waited_ns = 0
        try:
            if self._is_exhausted:
                with self._waiter():
                    await_only(self._queue.wait_available(self._timeout))
            return super()._do_get()
        finally:
            self._record_wait(started_ns)

    @contextmanager
    def _waiter(self) -> Iterator[None]:
        """Count a waiting request; fail if too many are waiting, or if the wait times out."""
        if self.waiting >= self.max_waiters:
            raise self._refuse()
        self.waiting += 1
        self._notify()
        try:
            yield
        except (PoolTimeout, Empty) as error:
            raise self._refuse() from error
        finally:
            self.waiting -= 1

    def _dec_overflow(self) -> Literal[True]:
        """Give up a connection that was closed or not opened; the next waiter may open another."""
        super()._dec_overflow()
        self._queue.permit_opening()
        return True

    def _refuse(self) -> Unavailable:
        self.refusals += 1
        if self.observer is not None:
            self.observer.on_refusal()
        return Unavailable("All database connections are in use.", code="pool_exhausted")

    def _record_wait(self, started_ns: int) -> None:
        now_ns = perf_counter_ns()
        if self.checkedout() > self.base_size:
            self._peak_ns = now_ns
        request = current_request.get()
        if request is not None:
            request.pool_ns += now_ns - started_ns
        if self.observer is not None:
            self.observer.on_wait((now_ns - started_ns) / 1e9)
        self._notify()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self.closes_on_return:
            try:
                record.close()
            finally:
                self._dec_overflow()
        else:
            super()._do_return_conn(record)
        self._notify()

    def _notify(self) -> None:
        if self.observer is not None:
            self.observer.on_change(self.state)

    def recreate(self) -> "InstrumentedPool":
        """Create an empty pool with the same settings. SQLAlchemy calls this in `dispose`."""
        pool = super().recreate()
        assert isinstance(pool, InstrumentedPool)
        pool.base_size = self.base_size
        pool.max_waiters = self.max_waiters
        pool.observer = self.observer
        return pool


def is_open(entry: ConnectionPoolEntry) -> bool:
    """Check that a pool entry has an open connection, without a round trip."""
    connection = entry.driver_connection
    return isinstance(connection, TimedConnection) and not connection.is_closed()


def is_invalidated(entry: ConnectionPoolEntry) -> bool:
    """Check that SQLAlchemy will replace the connection of a pool entry.

    When one connection breaks, it replaces all that are older, open or not.
    """
    assert isinstance(entry, _ConnectionRecord)
    return entry._is_hard_or_soft_invalidated()  # noqa: SLF001 -- has no public name
