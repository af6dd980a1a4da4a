"""The connection pool, the declarative base and the session that endpoints depend on.

The pool is SQLAlchemy's, with three things added: it counts who waits and for how long, it refuses
at once when too many wait already, and it replaces a connection that PostgreSQL has closed before
anybody sees it. An exhausted pool and an absent database are both a quick 503 (`app.errors`).
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from time import perf_counter_ns
from typing import Annotated, NamedTuple, Protocol, TypeVar

import asyncpg
from fastapi import Depends, Request
from sqlalchemy import MetaData, event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util.concurrency import greenlet_spawn

from app.context import current_request
from app.errors import GOING_AWAY, Unavailable, database_away
from app.fair_queue import FairQueue
from app.settings import Settings

T = TypeVar("T")
_LINGER_S = 10


class Base(DeclarativeBase):
    """Base of all tables; constraints get names by rule, so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


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

    def _do_get(self) -> ConnectionPoolEntry:
        started_ns = perf_counter_ns()
        try:
            if self.checkedin() == 0 and self.overflow() >= self._max_overflow:
                return self._wait()
            return super()._do_get()
        finally:
            self._account(started_ns)

    def _wait(self) -> ConnectionPoolEntry:
        if self.waiting >= self.max_waiters:
            raise self._refusal()
        self.waiting += 1
        self._tell()
        try:
            return super()._do_get()
        except PoolTimeout as error:
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
            self.watcher.changed(self.state)

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


class Database:
    """The pool of one process, and the ways to use it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.engine = create_async_engine(
            settings.sqlalchemy_url,
            async_creator=self._connect,
            poolclass=MeasuredPool,
            pool_size=settings.db_pool_size + settings.db_max_overflow,
            max_overflow=0,
            pool_timeout=settings.db_pool_timeout,
            hide_parameters=True,  # an error in the log must not quote a transcript
        )
        self.pool.base_size = settings.db_pool_size
        self.pool.max_waiters = settings.db_pool_max_waiters
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self.engine.sync_engine, "checkout", _replace_closed)
        event.listen(self.engine.sync_engine, "before_cursor_execute", _enter_database)
        event.listen(self.engine.sync_engine, "after_cursor_execute", _leave_database)
        event.listen(self.engine.sync_engine, "handle_error", _leave_database_on_error)

    @property
    def pool(self) -> MeasuredPool:
        """The pool as it is now."""
        pool = self.engine.pool
        assert isinstance(pool, MeasuredPool)
        return pool

    def watch(self, watcher: PoolWatcher) -> None:
        """Tell `watcher` of each change in the pool, beginning with its state now."""
        self.pool.watcher = watcher
        watcher.changed(self.pool.state)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when its block ends well and rolls back when it does not."""
        async with self._sessions() as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def driver(self) -> AsyncIterator[TimedConnection]:
        """A pooled asyncpg connection without SQLAlchemy on top, for the few hottest reads.

        No transaction is opened: each statement stands alone.

        Raises:
            Unavailable: when the pool is exhausted or the database is away.
        """
        proxy = await greenlet_spawn(self.pool.connect)
        connection = proxy.driver_connection
        assert isinstance(connection, TimedConnection)
        try:
            yield connection
        except Exception as error:
            if connection.is_closed() or isinstance(error, GOING_AWAY):
                raise database_away() from error
            raise
        finally:
            if connection.is_closed() or self.pool.closes_next:
                await greenlet_spawn(proxy.close)
            else:  # nothing to await, so no greenlet, which costs as much as all the rest
                proxy.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    async def _connect(self) -> TimedConnection:
        try:
            connection: TimedConnection = await asyncpg.connect(
                self._settings.driver_url,
                timeout=self._settings.db_connect_timeout,
                connection_class=TimedConnection,
                server_settings={"application_name": "therapybridge"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            raise database_away() from error
        return connection


def _replace_closed(_adapter: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Have SQLAlchemy reconnect a pooled connection the server closed: no ping, asyncpg knows."""
    connection = entry.driver_connection
    assert isinstance(connection, TimedConnection)
    if connection.is_closed():
        raise DisconnectionError


def _enter_database(*_: object) -> None:
    request = current_request.get()
    if request is not None:
        request.enter_database()


def _leave_database(*_: object) -> None:
    request = current_request.get()
    if request is not None:
        request.leave_database()


def _leave_database_on_error(context: ExceptionContext) -> None:
    if context.statement is not None:  # an execution failed, not a connect or a commit
        _leave_database()


async def database_session(request: Request) -> AsyncIterator[AsyncSession]:
    """The session of one request. It commits before the answer is sent: a 2xx is durable."""
    database: Database = request.app.state.database
    async with database.session() as session:
        yield session


DbSession = Annotated[AsyncSession, Depends(database_session, scope="function")]
