"""The connection pool: SQLAlchemy's, made to tell what happens in it.

It counts who waits and for how long, hands connections out in order, refuses at once when too many
wait already, and lets connections outlive a peak.
"""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import NamedTuple, Protocol, TypeVar

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util.concurrency import greenlet_spawn
from sqlalchemy.util.queue import Empty

from app.context import current_request
from app.errors import Unavailable
from app.fair_queue import FairQueue

T = TypeVar("T")
_LINGER_S = 10


class TimedConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg is untyped
    """An asyncpg connection whose calls count as database time of the request that makes them.

    `execute` also sees the BEGIN and COMMIT that SQLAlchemy sends.
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
    """Connections the pool keeps, that are in use, that are open beyond its size; and who waits."""

    size: int
    in_use: int
    overflow: int
    waiting: int


class PoolWatcher(Protocol):
    """Who wants to know what happens in the pool."""

    def changed(self, state: PoolState) -> None:
        """A connection went out or came back, or somebody began or ceased to wait."""

    def waited(self, wait_s: float) -> None:
        """It took this long to get a connection, or not to get one."""

    def refused(self) -> None:
        """Somebody got no connection."""


class MeasuredPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool, which says who waits, and fails fast and plainly when it is exhausted.

    SQLAlchemy closes an overflow connection when it comes back, so that a steady load a little
    above the pool's size opens and closes connections without end, at milliseconds each. Here all
    may stay; those beyond the size are closed as they come back, `_LINGER_S` after the last peak.
    """

    _queue_class = FairQueue

    base_size = 0
    max_waiters = 0
    watcher: PoolWatcher | None = None
    waiting = 0
    refusals = 0
    _peak_ns = 0
    _waited_ns = 0

    @property
    def state(self) -> PoolState:
        """The pool as it is now."""
        is_open = self._pool.maxsize + self.overflow()
        return PoolState(
            size=self.base_size,
            in_use=is_open - self.checkedin(),
            overflow=max(0, is_open - self.base_size),
            waiting=self.waiting,
        )

    @property
    def closes_next(self) -> bool:
        """Whether the next connection to come back is one too many."""
        if self.checkedin() < self.base_size:
            return False
        return perf_counter_ns() - self._peak_ns > _LINGER_S * 1e9

    @property
    def _is_exhausted(self) -> bool:
        return self.checkedin() == 0 and self.overflow() >= self._max_overflow

    async def take(self) -> PoolProxiedConnection:
        """Check a connection out, with SQLAlchemy's greenlet only where it must be opened first.

        A greenlet costs more than all the rest of this: it begins by mapping memory for its stack.

        Raises:
            Unavailable: when the pool is exhausted or the database is away.
        """
        queue = self._pool
        assert isinstance(queue, FairQueue)
        if self._is_exhausted:
            started_ns = perf_counter_ns()
            try:
                with self._waiter():
                    await queue.wait(self._timeout)
            except Unavailable:
                self._account(started_ns)
                raise
            self._waited_ns = perf_counter_ns() - started_ns  # for `_do_get`, which comes at once
        entry = queue.first()
        if entry is not None and is_open(entry):
            return self.connect()
        return await greenlet_spawn(self.connect)

    def _do_get(self) -> ConnectionPoolEntry:
        started_ns = perf_counter_ns() - self._waited_ns
        self._waited_ns = 0
        try:
            if self._is_exhausted:
                with self._waiter():
                    return super()._do_get()
            return super()._do_get()
        finally:
            self._account(started_ns)

    @contextmanager
    def _waiter(self) -> Iterator[None]:
        """One more who waits, unless there are too many; refused when it waits in vain."""
        if self.waiting >= self.max_waiters:
            raise self._refusal()
        self.waiting += 1
        self._tell()
        try:
            yield
        except (PoolTimeout, Empty) as error:
            raise self._refusal() from error
        finally:
            self.waiting -= 1

    def _refusal(self) -> Unavailable:
        self.refusals += 1
        if self.watcher is not None:
            self.watcher.refused()
        return Unavailable("All database connections are in use.", code="pool_exhausted")

    def _account(self, started_ns: int) -> None:
        now_ns = perf_counter_ns()
        if self.checkedout() > self.base_size:
            self._peak_ns = now_ns
        request = current_request.get()
        if request is not None:
            request.pool_ns += now_ns - started_ns
        if self.watcher is not None:
            self.watcher.waited((now_ns - started_ns) / 1e9)
        self._tell()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self.closes_next:
            try:
                record.close()
            finally:
                self._dec_overflow()
        else:
            super()._do_return_conn(record)
        self._tell()

    def _tell(self) -> None:
        if self.watcher is not None:
            self.watcher.changed(self.state)

    def recreate(self) -> "MeasuredPool":
        """A new, empty pool of the same settings; SQLAlchemy calls this when it disposes of one."""
        pool = super().recreate()
        assert isinstance(pool, MeasuredPool)
        pool.base_size = self.base_size
        pool.max_waiters = self.max_waiters
        pool.watcher = self.watcher
        return pool


def is_open(entry: ConnectionPoolEntry) -> bool:
    """Whether a pooled connection is there and can be used: no ping, asyncpg knows."""
    connection = entry.driver_connection
    return isinstance(connection, TimedConnection) and not connection.is_closed()
