"""The connections of one user, kept open between requests."""

import ssl
from collections import defaultdict
from collections.abc import Callable
from importlib import import_module
from time import monotonic_ns
from typing import TYPE_CHECKING, Protocol, TypeAlias

from straingauge.http import Request, RequestFailed
from straingauge.http.address import NoHttp2Error, connect_failure, connect_timeout_failure
from straingauge.http.exchange import Stale, timeout_failure
from straingauge.http.settings import HttpSettings
from straingauge.http.tls import alpn_protocols
from straingauge.http.traceparent import TraceIds
from straingauge.locust.http.connection import Connection
from straingauge.locust.http.opening import open_stream
from straingauge.locust.http.origin import Origin
from straingauge.locust.http.response import LocustResponse
from straingauge.locust.http.session_settings import TlsOptions, context_of
from straingauge.locust.http.socket_stream import SocketStream, TimedOut

if TYPE_CHECKING:
    from straingauge.locust.http.http2_connection import Http2Connection

AnyConnection: TypeAlias = "Connection | Http2Connection"
_Key: TypeAlias = tuple[str, TlsOptions | None]
"""The URL of an origin, and the TLS settings of the call."""


class ConnectionRecorder(Protocol):
    """Counts the connections of a run.

    Attributes:
        reconnected: connections opened in place of one that the server had closed while idle.
        closed_idle: connections found closed by the server, without a request in flight.
        http2_connections, http1_instead: see `EngineStats`.
        abandoned: requests in flight when their user was killed.
    """

    reconnected: int
    closed_idle: int
    http2_connections: int
    http1_instead: int
    abandoned: int

    @property
    def trace_ids(self) -> TraceIds | None:
        """Makes the header `traceparent` of each request; None to send none."""

    def add_connection(self, phase: str, endpoint: str, took_ns: int) -> None:
        """Count a connection that was opened for a request of this endpoint."""


class ConnectionPool:
    """As many connections as a user's greenlets use at a time.

    Args:
        get_recorder: returns the recorder of the current run.
        timeout_s: from sending to the last byte, connecting included, for requests that set
            no timeout.
        connect_timeout_s: for connecting alone.
        get_tls: returns the settings for TLS, with these protocols offered (ALPN); called when the
            first such connection is opened.
        finish_requests: Locust has promised to let requests end when it stops a user.

    Attributes:
        killed: this user was killed during a request that was finished all the same, and should end
            now. Locust may kill a user whose wait has just ended, as if it still waited.
    """

    __slots__ = (
        "_connect_timeout_ns",
        "_finish_requests",
        "_get_recorder",
        "_get_tls",
        "_idle",
        "_timeout_s",
        "_tls",
        "killed",
    )

    def __init__(
        self,
        get_recorder: Callable[[], ConnectionRecorder],
        timeout_s: float,
        connect_timeout_s: float,
        get_tls: Callable[[tuple[str, ...]], ssl.SSLContext],
        *,
        finish_requests: bool,
    ) -> None:
        self.killed = False
        self._finish_requests = finish_requests
        self._get_recorder = get_recorder
        self._timeout_s = timeout_s
        self._connect_timeout_ns = int(connect_timeout_s * 1e9)
        self._get_tls = get_tls
        self._tls: dict[tuple[str, ...], ssl.SSLContext] = {}
        self._idle: defaultdict[_Key, list[AnyConnection]] = defaultdict(list)

    def prepare(self, settings: HttpSettings, *, is_tls: bool) -> None:
        """Import and make what the first request would wait for.

        Args:
            settings: settings of connections to the target.
            is_tls: it is an https service.

        Raises:
            UsageError: a file of the settings cannot be used.
        """
        if settings.http2 is not None:
            import_module("straingauge.locust.http.http2_connection")
        if is_tls:
            self._get_tls(tuple(alpn_protocols(settings)))  # kept for all users of the process

    def send(  # noqa: PLR0917  keyword arguments are slower
        self,
        request: Request,
        origin: Origin,
        host: bytes,
        phase: str,
        due_ns: int | None,
        tls: TlsOptions | None = None,
    ) -> LocustResponse:
        """Send a request; the response's `error` says why, if there is no response.

        Args:
            request: the request.
            origin: where to send it.
            host: value of the Host header.
            phase: phase in which it is counted.
            due_ns: when it should have been sent; None means now. Response time counts from here.
            tls: TLS settings of this request; None for the user's.
        """
        began_ns = monotonic_ns()
        response = LocustResponse(request, began_ns if due_ns is None else min(due_ns, began_ns))
        timeout_s = request.timeout_s or self._timeout_s
        if request.stream is not None:
            timeout_s = request.stream.max_s or timeout_s
        deadline_ns = began_ns + int(timeout_s * 1e9)
        defer_kill = self._finish_requests and not self.killed
        key = origin.url, tls
        connection = self._take_idle(key)
        trace, trace_number = self._next_trace()
        try:
            if connection is None:
                connection = self._open(origin, request, phase, deadline_ns, tls)
            outcome = connection.send(request, host, deadline_ns, trace, defer_kill=defer_kill)
            while isinstance(outcome, Stale):
                self._get_recorder().reconnected += 1
                connection.done_ns = 0
                connection = self._open(origin, request, phase, deadline_ns, tls)
                outcome = connection.send(request, host, deadline_ns, trace, defer_kill=defer_kill)
        except TimedOut:
            response.done_ns = deadline_ns
            stream = None if connection is None else connection.stream
            response.fail(timeout_failure(timeout_s), stream)
        except RequestFailed as failure:
            # Its cause and traceback refer to frames, and those to the response: a cycle.
            failure.__cause__ = failure.__context__ = None
            response.error = failure.with_traceback(None)
            response.done_ns = monotonic_ns()
        except BaseException:
            self._get_recorder().abandoned += connection is not None
            raise
        else:
            response.done_ns = connection.done_ns
            response.take(outcome, connection.first_byte_ns)
        if connection is not None:
            if not connection.closed:
                self._idle[key].append(connection)
            response.trace = trace_number
            response.sent_ns = connection.sent_ns
            self.killed |= connection.was_killed or (defer_kill and not connection.defer_kill)
        return response

    def _next_trace(self) -> tuple[bytes, int]:
        """Return the header `traceparent` of the next request, and the number of its trace."""
        trace_ids = self._get_recorder().trace_ids
        return (b"", 0) if trace_ids is None else (trace_ids.next_header(), trace_ids.number)

    def _take_idle(self, key: _Key) -> "AnyConnection | None":
        idle = self._idle[key]
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
            self._get_recorder().closed_idle += 1
        return None

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def open(self, origin: Origin, request: Request, phase: str, deadline_ns: int) -> SocketStream:
        """Open a stream for another protocol than HTTP, counted for this request.

        Raises:
            RequestFailed: there is none.
        """
        return self._open_stream(origin, request, phase, deadline_ns, None, ())

    def _open(
        self,
        origin: Origin,
        request: Request,
        phase: str,
        deadline_ns: int,
        options: TlsOptions | None,
    ) -> AnyConnection:
        """Open a connection, counted for this request; see `open`."""
        address = origin.address
        if address.settings.http2 is None:
            stream = self._open_stream(origin, request, phase, deadline_ns, options, ())
            return Connection(stream, address)
        # Other loads need not import `h2`; see `prepare`.
        from straingauge.locust.http.http2_connection import Http2Connection

        offered = tuple(alpn_protocols(address.settings))
        stream = self._open_stream(origin, request, phase, deadline_ns, options, offered)
        if not address.tls or stream.protocol == "h2":
            self._get_recorder().http2_connections += 1
            return Http2Connection(stream, address)
        if address.settings.http2 == "prior-knowledge":
            stream.close()
            raise connect_failure(NoHttp2Error(), address.ips[0], address)
        self._get_recorder().http1_instead += 1
        return Connection(stream, address)

    def _open_stream(  # noqa: PLR0917  as `_open`
        self,
        origin: Origin,
        request: Request,
        phase: str,
        deadline_ns: int,
        options: TlsOptions | None,
        offered: tuple[str, ...],
    ) -> SocketStream:
        began_ns = monotonic_ns()
        connect_by_ns = began_ns + self._connect_timeout_ns
        tls = self._tls_context(options, offered) if origin.address.tls else None
        try:
            stream = open_stream(origin.address, tls, min(deadline_ns, connect_by_ns))
        except TimedOut:
            limit_ns = min(deadline_ns - began_ns, self._connect_timeout_ns)
            raise connect_timeout_failure(round(limit_ns / 1e9, 3)) from None
        took_ns = monotonic_ns() - began_ns
        self._get_recorder().add_connection(phase, request.name, took_ns)
        return stream

    def _tls_context(self, options: TlsOptions | None, offered: tuple[str, ...]) -> ssl.SSLContext:
        if options is not None:
            return context_of(options, offered)
        if offered not in self._tls:
            self._tls[offered] = self._get_tls(offered)
        return self._tls[offered]
