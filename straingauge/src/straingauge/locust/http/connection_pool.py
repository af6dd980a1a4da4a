"""The connections of one user: lent for one request each, kept open between two."""

import ssl
from collections import defaultdict
from collections.abc import Callable
from time import monotonic_ns

from straingauge.http import ErrorKind, Request, RequestFailed
from straingauge.locust.http.connection import Connection, Stale
from straingauge.locust.http.origin import Origin
from straingauge.locust.http.response import LocustResponse
from straingauge.locust.http.socket_stream import TimedOut
from straingauge.locust.session import Session


class ConnectionPool:
    """As many connections as its user's greenlets use at a time.

    Args:
        session: in whose record connections are counted.
        timeout_s: from sending to the last byte, connecting included, for requests without a
            timeout of their own.
        connect_timeout_s: for connecting alone.
        tls: makes the settings for TLS; asked when the first such connection is opened.
        patient: whether Locust has promised to let requests end when it stops a user.

    Attributes:
        killed: whether this user was killed all the same, and ought to end now. Locust takes one
            whose wait has just ended for one that still waits.
    """

    __slots__ = (
        *("_connect_timeout_ns", "_context", "_idle", "_patient", "_session", "_timeout_s", "_tls"),
        "killed",
    )

    def __init__(
        self,
        session: Session,
        timeout_s: float,
        connect_timeout_s: float,
        tls: Callable[[], ssl.SSLContext],
        *,
        patient: bool,
    ) -> None:
        self.killed = False
        self._patient = patient
        self._session = session
        self._timeout_s = timeout_s
        self._connect_timeout_ns = int(connect_timeout_s * 1e9)
        self._tls = tls
        self._context: ssl.SSLContext | None = None
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)

    def ask(
        self, request: Request, origin: Origin, host: bytes, phase: str, due_ns: int | None
    ) -> LocustResponse:
        """Send a request; the answer says why, if there is no response.

        Args:
            request: what to send.
            origin: where to.
            host: the Host header's value.
            phase: in which it is counted.
            due_ns: when it should have been sent; None means now.
        """
        began_ns = monotonic_ns()
        answer = LocustResponse(request, began_ns if due_ns is None else min(due_ns, began_ns))
        timeout_s = request.timeout_s or self._timeout_s
        deadline_ns = began_ns + int(timeout_s * 1e9)
        idle = self._idle[origin.url]
        connection: Connection | None = None
        spare = self._patient and not self.killed
        try:
            while idle and (connection := idle.pop()).closed:
                connection = None
            if connection is None:
                connection = self._open(origin, request, phase, deadline_ns)
            try:
                connection.exchange(request, host, deadline_ns, spare=spare)
            except Stale:
                self._session.stats.recording.reconnected += 1
                connection.done_ns = 0
                connection = self._open(origin, request, phase, deadline_ns)
                connection.exchange(request, host, deadline_ns, spare=spare)
        except TimedOut:
            answer.error = RequestFailed(
                ErrorKind.TIMEOUT, f"no whole answer within {timeout_s:g} s"
            )
            answer.done_ns = deadline_ns
        except RequestFailed as failure:
            # What it came from would lead back to the answer, by way of frames.
            failure.__cause__ = failure.__context__ = None
            answer.error = failure.with_traceback(None)
            answer.done_ns = (connection and connection.done_ns) or monotonic_ns()
        except BaseException:
            self._session.stats.recording.abandoned += connection is not None
            raise
        else:
            reader = connection.reader
            answer.status, answer.raw_headers = reader.status, reader.headers
            answer.raw_body = reader.body
            answer.first_byte_ns = connection.first_byte_ns
            answer.done_ns = connection.done_ns
            if not connection.closed:
                idle.append(connection)
        if connection is not None:
            answer.sent_ns = connection.sent_ns
            self.killed |= spare and not connection.spare
        return answer

    def close(self) -> None:
        """Close all that nobody uses."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def _open(self, origin: Origin, request: Request, phase: str, deadline_ns: int) -> Connection:
        """A new connection, counted for this request.

        Raises:
            RequestFailed: there is none.
            TimedOut: the deadline came first.
        """
        began_ns = monotonic_ns()
        connect_by_ns = began_ns + self._connect_timeout_ns
        if origin.address.tls and self._context is None:
            self._context = self._tls()
        tls = self._context if origin.address.tls else None
        try:
            connection = Connection(origin.address, tls, min(deadline_ns, connect_by_ns))
        except TimedOut:
            if deadline_ns <= connect_by_ns:
                raise
            waited_s = self._connect_timeout_ns / 1e9
            raise RequestFailed(ErrorKind.TIMEOUT, f"no connection within {waited_s:g} s") from None
        took_ns = monotonic_ns() - began_ns
        self._session.stats.recording.add_connection(phase, request.name, took_ns)
        return connection
