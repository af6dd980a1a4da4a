"""Context of the current request: its id, client and server timing.

A context variable gives code without access to the request (the pool, a log record) this object.
"""

from contextvars import ContextVar
from time import perf_counter_ns

Header = tuple[bytes, bytes]


class RequestContext:
    """State of one request.

    Attributes:
        request_id: Id of the request in the log and in `X-Request-Id`.
        client: Address of the client, see `app.client_address`.
        pool_ns: Time spent waiting for a database connection.
        db_ns: Time spent in database calls.
        headers: Headers to add to the response.
    """

    __slots__ = (
        "_db_depth",
        "_db_started_ns",
        "client",
        "db_ns",
        "headers",
        "pool_ns",
        "request_id",
    )

    def __init__(self, request_id: str, client: str) -> None:
        self.request_id = request_id
        self.client = client
        self.pool_ns = 0
        self.db_ns = 0
        self.headers: list[Header] = []
        self._db_depth = 0
        self._db_started_ns = 0

    def enter_database(self) -> None:
        """Record the start of a database call. Overlapping calls count once."""
        if self._db_depth == 0:
            self._db_started_ns = perf_counter_ns()
        self._db_depth += 1

    def leave_database(self) -> None:
        """Record the end of a database call, successful or not."""
        self._db_depth -= 1
        if self._db_depth == 0:
            self.db_ns += perf_counter_ns() - self._db_started_ns


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)
