"""Pools of SQLAlchemy, asyncpg and psycopg, recognised without an import of these libraries.

Each wraps the methods of one engine or pool of the service. Wrapping it again, as a test suite with
one engine and many apps does, replaces the wrapper.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

from straingauge.inside.pool import Pool, PoolState, PoolStatistics
from straingauge.inside.request_timing import current_timing

_ORIGINAL = "_straingauge_original"
_DIALECT_CALLS = (
    *("do_execute", "do_executemany", "do_execute_no_params"),
    *("do_commit", "do_rollback", "do_ping"),
)


def watched_pool(engine: Any, statistics: PoolStatistics) -> Pool:  # noqa: ANN401  any library's
    """Return the pool of an engine, or of another library's pool.

    Raises:
        TypeError: It is none of the known kinds.
    """
    engine = getattr(engine, "sync_engine", engine)  # of SQLAlchemy's AsyncEngine
    libraries = {kind.__module__.partition(".")[0] for kind in type(engine).__mro__}
    if "sqlalchemy" in libraries and hasattr(engine, "pool") and hasattr(engine, "dialect"):
        return SqlalchemyPool(engine, statistics)
    if "asyncpg" in libraries and hasattr(engine, "get_idle_size"):
        return AsyncpgPool(engine, statistics)
    if "psycopg_pool" in libraries and hasattr(engine, "getconn"):
        return PsycopgPool(engine, statistics)
    raise TypeError(
        f"engine is {type(engine).__module__}.{type(engine).__qualname__}, and must be an engine of"
        " SQLAlchemy, a pool of asyncpg or psycopg_pool, or a function that returns one"
    )


class SqlalchemyPool(Pool):
    """The pool and the dialect of an engine of SQLAlchemy 1.4 or 2, synchronous or not."""

    def __init__(self, engine: Any, statistics: PoolStatistics) -> None:  # noqa: ANN401
        super().__init__(statistics)
        self._engine = engine
        self._attached: Any = None

    def attach(self) -> None:
        """Wrap the pool, which `Engine.dispose` replaces by another."""
        pool = self._engine.pool
        if pool is self._attached:
            return
        self._attached = pool
        _wrap(pool, "_do_get", self.checkout)
        _wrap(pool, "_do_return_conn", after=self.changed)
        for name in _DIALECT_CALLS:
            _time(self._engine.dialect, name)
        self.changed()

    def state(self) -> PoolState:
        """Return the state; a pool that is no queue keeps no connections and has no limit."""
        pool = self._engine.pool
        if not hasattr(pool, "checkedout") or not hasattr(pool, "size"):
            return PoolState(0, 0, 0, None)
        size, in_use, more = pool.size(), pool.checkedout(), getattr(pool, "_max_overflow", -1)
        limit = size + more if size and more >= 0 else None
        return PoolState(size, in_use, max(0, pool.overflow()), limit)


class AsyncpgPool(Pool):
    """A pool of asyncpg."""

    def __init__(self, pool: Any, statistics: PoolStatistics) -> None:  # noqa: ANN401
        super().__init__(statistics)
        self._pool = pool
        self._is_attached = False

    def attach(self) -> None:
        """Give the pool and its connections subclasses: their instances have fixed attributes."""
        if self._is_attached:
            return
        self._is_attached = True
        watched, base = self, getattr(type(self._pool), _ORIGINAL, type(self._pool))

        async def acquire(pool: Any, timeout: float | None) -> Any:  # noqa: ANN401, ASYNC109
            with watched.checkout():
                connection = await base._acquire(pool, timeout)  # noqa: SLF001  `acquire` calls it
            _time_asyncpg(connection._con)  # noqa: SLF001  the proxy has no other access
            return connection

        async def release(pool: Any, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ANN401, ASYNC109
            try:
                await base.release(pool, connection, timeout=timeout)
            finally:
                watched.changed()

        methods = {"__slots__": (), _ORIGINAL: base, "_acquire": acquire, "release": release}
        self._pool.__class__ = type(base.__name__, (base,), methods)
        self.changed()

    def state(self) -> PoolState:
        """Return the state."""
        limit = self._pool.get_max_size()
        idle = self._pool.get_idle_size()
        return PoolState(limit, self._pool.get_size() - idle, 0, limit)


_timed_classes: dict[type, type] = {}


def _time_asyncpg(connection: Any) -> None:  # noqa: ANN401
    base = type(connection)
    if hasattr(base, _ORIGINAL):
        return
    if base not in _timed_classes:
        names = ("execute", "executemany", "fetch", "fetchmany", "fetchrow", "fetchval", "prepare")
        methods = {
            name: _timed_coroutine(getattr(base, name)) for name in names if hasattr(base, name)
        }
        timed = {"__slots__": (), _ORIGINAL: base, **methods}
        metaclass: Any = type(base)
        _timed_classes[base] = metaclass(base.__name__, (base,), timed)
    connection.__class__ = _timed_classes[base]


def _time(target: Any, name: str) -> None:  # noqa: ANN401
    """Count the time of a method, or a coroutine method, of one object as database time."""
    method = getattr(target, name)
    original = getattr(method, _ORIGINAL, method)
    timed = (_timed_coroutine if _is_coroutine(original) else _timed)(original)
    setattr(timed, _ORIGINAL, original)
    setattr(target, name, timed)


def _timed(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        timing = current_timing.get()
        if timing is None:
            return method(*args, **kwargs)
        timing.change(0, 1)
        try:
            return method(*args, **kwargs)
        finally:
            timing.change(0, -1)

    return call


def _timed_coroutine(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        timing = current_timing.get()
        if timing is None:
            return await method(*args, **kwargs)
        timing.change(0, 1)
        try:
            return await method(*args, **kwargs)
        finally:
            timing.change(0, -1)

    return call


class PsycopgPool(Pool):
    """A pool of psycopg_pool, synchronous or not."""

    def __init__(self, pool: Any, statistics: PoolStatistics) -> None:  # noqa: ANN401
        super().__init__(statistics)
        self._pool = pool
        self._is_attached = False

    def attach(self) -> None:
        """Wrap the pool, and each connection that it hands out."""
        if not self._is_attached:
            self._is_attached = True
            _wrap(self._pool, "getconn", self.checkout, result=_time_psycopg)
            _wrap(self._pool, "putconn", after=self.changed)
            self.changed()

    def state(self) -> PoolState:
        """Return the state; a connection that is being returned is in use."""
        pool = self._pool.get_stats()
        limit = pool["pool_max"] or None
        return PoolState(pool["pool_max"], pool["pool_size"] - pool["pool_available"], 0, limit)


def _time_psycopg(connection: Any) -> None:  # noqa: ANN401
    if not hasattr(connection.wait, _ORIGINAL):
        _time(connection, "wait")


class _Nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def _wrap(
    target: Any,  # noqa: ANN401
    name: str,
    around: Callable[[], AbstractContextManager[None]] = _Nothing,
    *,
    after: Callable[[], None] = lambda: None,
    result: Callable[[Any], None] = lambda _: None,
) -> None:
    """Replace a method, or a coroutine method, of one object.

    Args:
        target: The object.
        name: The method.
        around: Creates a context manager around each call.
        after: Called after each call, successful or not.
        result: Called with what a call returned.
    """
    method = getattr(target, name)
    original = getattr(method, _ORIGINAL, method)

    @wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            with around():
                returned = original(*args, **kwargs)
        finally:
            after()
        result(returned)
        return returned

    @wraps(original)
    async def call_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            with around():
                returned = await original(*args, **kwargs)
        finally:
            after()
        result(returned)
        return returned

    wrapper = call_async if _is_coroutine(original) else call
    setattr(wrapper, _ORIGINAL, original)
    setattr(target, name, wrapper)


def _is_coroutine(method: Callable[..., Any]) -> bool:
    code = getattr(method, "__code__", None)
    return bool(code and code.co_flags & 0x80)  # inspect.CO_COROUTINE; inspect is slow to import
