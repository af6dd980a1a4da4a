"""Database access: engine and the session of a request.

A pooled connection that PostgreSQL has closed is replaced at checkout. An exhausted pool and an
unavailable database both lead to a fast 503 (`app.errors`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util.concurrency import greenlet_spawn

from app import pooler
from app.context import current_request
from app.database_errors import CONNECT_ERRORS, CONNECTION_LOST_ERRORS, database_unavailable
from app.pool import InstrumentedPool, PoolObserver, TimedConnection, is_open
from app.settings import Settings


class Database:
    """Connection pool of one process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.engine = create_async_engine(
            settings.sqlalchemy_url,
            creator=self._create,
            poolclass=InstrumentedPool,
            pool_size=settings.db_pool_size + settings.db_max_overflow,
            max_overflow=0,
            pool_timeout=settings.db_pool_timeout,
            hide_parameters=True,  # keep transcripts out of error messages
        )
        self.pool.base_size = settings.db_pool_size
        self.pool.max_waiters = settings.db_pool_max_waiters
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        event.listen(self.engine.sync_engine, "checkout", _replace_closed)
        event.listen(self.engine.sync_engine, "before_cursor_execute", _enter_database)
        event.listen(self.engine.sync_engine, "after_cursor_execute", _leave_database)
        event.listen(self.engine.sync_engine, "handle_error", _leave_database_on_error)

    @property
    def pool(self) -> InstrumentedPool:
        """The connection pool of the engine."""
        pool = self.engine.pool
        assert isinstance(pool, InstrumentedPool)
        return pool

    def observe(self, observer: PoolObserver) -> None:
        """Notify `observer` of the current state of the pool and of each change."""
        self.pool.observer = observer
        observer.on_change(self.pool.state)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Open a session that commits at the end of the block and rolls back on an exception."""
        async with self._sessions() as session:
            yield session
            await session.commit()

    @asynccontextmanager
    async def driver_connection(self) -> AsyncIterator[TimedConnection]:
        """Check out an asyncpg connection, without the overhead of SQLAlchemy.

        Statements run in autocommit mode.

        Raises:
            Unavailable: The pool is exhausted or the database is unavailable.
        """
        proxy = await self.pool.checkout()
        connection = proxy.driver_connection
        assert isinstance(connection, TimedConnection)
        try:
            yield connection
        except Exception as error:
            if connection.is_closed() or isinstance(error, CONNECTION_LOST_ERRORS):
                raise database_unavailable() from error
            raise
        finally:
            if connection.is_closed() or self.pool.closes_on_return:
                await greenlet_spawn(proxy.close)
            else:  # nothing to await, so no greenlet, which would double the cost
                proxy.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()

    def _create(self) -> object:
        """Open a connection for SQLAlchemy."""
        try:
            options = pooler.sqlalchemy_options(self._settings)
        except CONNECT_ERRORS as error:
            raise database_unavailable() from error
        return self.engine.dialect.dbapi.connect(  # type: ignore[union-attr]  # it is asyncpg
            async_creator_fn=self._connect, **options
        )

    async def _connect(self) -> TimedConnection:
        """Open a connection; here, because SQLAlchemy replaces asyncpg's errors by its own."""
        try:
            return await pooler.connect(self._settings, "therapybridge", TimedConnection)
        except CONNECT_ERRORS as error:
            raise database_unavailable() from error


def _replace_closed(_adapter: object, entry: ConnectionPoolEntry, _proxy: object) -> None:
    """Make SQLAlchemy reconnect a pooled connection that the server closed."""
    if not is_open(entry):
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
    if context.statement is not None:  # not for errors of connect and commit
        _leave_database()


async def database_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Open the session of a request. It commits before the response, so a 2xx is durable."""
    database: Database = request.app.state.database
    async with database.session() as session:
        yield session


DbSession = Annotated[AsyncSession, Depends(database_session, scope="function")]
