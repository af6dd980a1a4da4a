"""Statistics of a connection pool, whatever its library."""

from abc import ABC, abstractmethod
from threading import Lock
from time import perf_counter_ns
from types import TracebackType
from typing import NamedTuple

from straingauge.inside.request_timing import RequestTiming, current_timing
from straingauge.inside.shared_values import Value, Values

_TIMEOUTS = {"PoolTimeout", "TimeoutError", "TooManyRequests"}


class PoolState(NamedTuple):
    """State of a pool.

    Attributes:
        size: Connections that the pool keeps open.
        in_use: Connections in use.
        overflow: Open connections beyond `size`.
        limit: Connections that it opens at most; None if it has no limit.
    """

    size: int
    in_use: int
    overflow: int
    limit: int | None


NO_STATE = PoolState(0, 0, 0, None)


class Pool(ABC):
    """A pool whose checkouts are counted and timed; `attach` adds that to the pool itself."""

    last = NO_STATE  # that is included in the sums

    def __init__(self, statistics: "PoolStatistics") -> None:
        self._statistics = statistics

    @abstractmethod
    def attach(self) -> None:
        """Time the checkouts of the pool. It is called before each request, and must be cheap."""

    @abstractmethod
    def state(self) -> PoolState:
        """Return the state."""

    def checkout(self) -> "Checkout":
        """Return a context manager around one checkout."""
        return Checkout(self, self._statistics)

    def changed(self) -> None:
        """Record the state after a checkout or a return."""
        self._statistics.changed(self)


class PoolStatistics:
    """Sums over the pools of a process, in its shared values."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self.pools: list[Pool] = []
        self.begin()

    def begin(self) -> None:
        """Begin a process, whose sums are 0 so far."""
        self._lock = Lock()  # a parent may have held its lock during the fork
        for pool in self.pools:
            pool.last = NO_STATE

    def changed(self, pool: Pool, waiters: int = 0) -> None:
        """Record a pool's state, and the change of the number of its waiters."""
        with self._lock:
            before, now = pool.last, pool.state()
            values = self._values.own
            if waiters:
                values[Value.POOL_WAITERS] += waiters
            if now != before:
                pool.last = now
                values[Value.POOL_SIZE] += now.size - before.size
                values[Value.POOL_IN_USE] += now.in_use - before.in_use
                values[Value.POOL_OVERFLOW] += now.overflow - before.overflow

    def add_wait(self, wait_s: float, *, timed_out: bool) -> None:
        """Count a checkout, successful or not."""
        with self._lock:
            values = self._values.own
            values[Value.POOL_WAITS] += 1
            values[Value.POOL_WAIT_S] += wait_s
            values[Value.POOL_TIMEOUTS] += timed_out


class Checkout:
    """Time a checkout, and count it as waiting if all connections are in use when it begins."""

    __slots__ = ("_pool", "_started_ns", "_statistics", "_timing", "_waits")

    def __init__(self, pool: Pool, statistics: PoolStatistics) -> None:
        self._pool = pool
        self._statistics = statistics
        self._timing: RequestTiming | None = None

    def __enter__(self) -> None:
        self._started_ns = perf_counter_ns()
        state = self._pool.state()
        self._waits = state.limit is not None and state.in_use >= state.limit
        if self._waits:
            self._statistics.changed(self._pool, 1)
        self._timing = current_timing.get()
        if self._timing is not None:
            self._timing.change(1, 0)

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._timing is not None:
            self._timing.change(-1, 0)
        # Of a pool with free connections, a time-out is one of opening a connection.
        timed_out = self._waits and kind is not None and kind.__name__ in _TIMEOUTS
        self._statistics.add_wait((perf_counter_ns() - self._started_ns) / 1e9, timed_out=timed_out)
        self._statistics.changed(self._pool, -1 if self._waits else 0)
