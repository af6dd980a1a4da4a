"""What is known about the request being answered: its id, and where its time went.

One object per request in one context variable, so that code far from the request (the pool, a log
record) can reach it for the price of a dictionary look-up.
"""

from contextvars import ContextVar
from time import perf_counter_ns

Header = tuple[bytes, bytes]


class RequestContext:
    """One request: its id, where its time went, and headers to add to its answer."""

    __slots__ = ("_db_depth", "_db_started_ns", "db_ns", "headers", "pool_ns", "request_id")

    def __init__(self, request_id: str) -> None:
        self.request_id = request_id
        self.pool_ns = 0
        self.db_ns = 0
        self.headers: list[Header] = []
        self._db_depth = 0
        self._db_started_ns = 0

    def enter_database(self) -> None:
        """Note that a call to the database starts. Overlapping calls count once, as their union."""
        if self._db_depth == 0:
            self._db_started_ns = perf_counter_ns()
        self._db_depth += 1

    def leave_database(self) -> None:
        """Note that a call to the database ended, well or not."""
        self._db_depth -= 1
        if self._db_depth == 0:
            self.db_ns += perf_counter_ns() - self._db_started_ns


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)
