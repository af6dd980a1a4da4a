"""The parts of a request's time: waiting for a connection, in the database, elsewhere."""

from contextvars import ContextVar
from time import perf_counter_ns


class RequestTiming:
    """Times of one request, which code without access to the request finds in `current_timing`.

    Overlapping database calls count once, and a moment in which the request waits for a connection
    counts as that, so the parts never exceed the whole.

    Attributes:
        pool_ns: Time spent waiting for a database connection.
        database_ns: Time spent in database calls.
    """

    __slots__ = ("_calls", "_since_ns", "_started_ns", "_waits", "database_ns", "pool_ns")

    def __init__(self) -> None:
        self._started_ns = self._since_ns = perf_counter_ns()
        self._waits = self._calls = 0
        self.pool_ns = self.database_ns = 0

    def change(self, waits: int, calls: int) -> None:
        """Add to the numbers of waits and database calls in progress."""
        now_ns = perf_counter_ns()
        if self._waits:
            self.pool_ns += now_ns - self._since_ns
        elif self._calls:
            self.database_ns += now_ns - self._since_ns
        self._since_ns = now_ns
        self._waits += waits
        self._calls += calls

    def header(self, *, with_database: bool) -> str:
        """Return the value of the Server-Timing header; durations are in ms."""
        self.change(0, 0)
        total_ns = self._since_ns - self._started_ns
        if not with_database:
            return f"app;dur={total_ns / 1e6:.3f}"
        app_ns = total_ns - self.pool_ns - self.database_ns
        return (
            f"pool;dur={self.pool_ns / 1e6:.3f}, db;dur={self.database_ns / 1e6:.3f}, "
            f"app;dur={app_ns / 1e6:.3f}"
        )


current_timing: ContextVar[RequestTiming | None] = ContextVar("straingauge_timing", default=None)
