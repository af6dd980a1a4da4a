"""The exchanges of one connection: bytes in; response, failure or "send again" out.

Both HTTP clients drive this one state machine; each adds only its sockets and its way of waiting:

    data = exchange.begin(request, host)       # bytes to send; None: send each next_chunk()
    while (outcome := exchange.receive(received, at_ns)) is None:
        ...                                    # wait for more to be received
"""

import ssl
from collections.abc import Iterator
from typing import Final, TypeAlias

from straingauge.http.codec import (
    ProtocolError,
    ResponseReader,
    ShortBody,
    add_base_path,
    encode,
)
from straingauge.http.models import ErrorKind, Request, RequestFailed, Response
from straingauge.http.multipart import Upload
from straingauge.http.streaming.stream_exchange import StreamExchange
from straingauge.http.streaming.stream_reader import StreamReader
from straingauge.http.tls import tls_failure

# Methods a client may repeat automatically on a new connection (RFC 9110, section 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})

Received: TypeAlias = bytes | Exception
"""Bytes, empty at the connection's end; or the error that ended the connection."""


# A server closes a connection after it has been idle for a time, which is a number of seconds in
# all common servers; the server's timer may be a little ahead of this clock.
_MIN_IDLE_NS: Final = 900_000_000
# The end of the connection and the request cross on their way: within a round trip.
_CROSSING_NS: Final = 100_000_000


class Stale:
    """The server closed a kept-alive connection before it saw a request that may be repeated."""


STALE: Final = Stale()
"""Send the request again, on a new connection."""

Outcome: TypeAlias = Response | RequestFailed | Stale


def timeout_failure(timeout_s: float) -> RequestFailed:
    """Return the failure of a request whose response was not complete within its timeout."""
    return RequestFailed(ErrorKind.TIMEOUT, f"no complete response within {timeout_s:g} s")


def first_byte_timeout_failure(timeout_s: float) -> RequestFailed:
    """Return the failure of a request whose response did not begin in time."""
    detail = f"no response within {timeout_s:g} s after the request was sent"
    return RequestFailed(ErrorKind.FIRST_BYTE_TIMEOUT, detail)


def unanswered(
    request: Request, error: Exception | None, *, idle_ns: int | None, waited_ns: int
) -> "RequestFailed | Stale":
    """Judge the end of a connection before a response.

    Args:
        request: The request.
        error: The error that ended the connection, if one did.
        idle_ns: How long the connection had been idle before the request; None if that was the
            connection's first.
        waited_ns: Time from the request to the end.
    """
    if isinstance(error, ssl.SSLError) and getattr(error, "reason", None):
        return tls_failure(error)  # an alert, after the handshake
    if idle_ns is not None:
        if request.method in _IDEMPOTENT:
            return STALE
        if idle_ns >= _MIN_IDLE_NS and waited_ns <= _CROSSING_NS:
            idle = f"idle for {idle_ns / 1e9:.2f} s"
            detail = f"the server closed the connection, {idle}, as the request was sent"
            return RequestFailed(ErrorKind.IDLE_CLOSED, detail)
    how = "reset" if error else "closed"
    return RequestFailed(ErrorKind.RESET, f"the connection was {how} without a response")


class Exchange:
    """One request and its response at a time, on one connection.

    Args:
        base_path: precedes the path of each request, except from the root.
        root: precedes that of all requests: scheme and host, for a proxy.

    Attributes:
        request: the request in flight; None between two exchanges.
        sent_ns: when the request was sent; set by the client.
        stream: the response in flight, if it is read as it comes; else None.
        idle_since_ns: when the previous response was complete; 0 if there was none.
        first_byte_ns: when the response began; 0 if it has not.
        keep_alive: another request can be sent on this connection. It is False after a failure,
            after a request that closes its connection, and after a response that came before the
            whole request was sent.
    """

    __slots__ = (
        "_base",
        "_chunks",
        "_reader",
        "_requests",
        "_root",
        "_unread_bytes",
        "first_byte_ns",
        "idle_since_ns",
        "keep_alive",
        "request",
        "sent_ns",
        "stream",
    )

    def __init__(self, base_path: str = "", root: str = "") -> None:
        self._base = (root + base_path).encode("ascii")
        self._root = root.encode("ascii")
        self.request: Request | None = None
        self.stream: StreamExchange | None = None
        self.sent_ns = self.idle_since_ns = self.first_byte_ns = 0
        self.keep_alive = True
        self._reader = ResponseReader()
        self._requests = 0
        self._chunks: Iterator[bytes] | None = None
        self._unread_bytes = 0  # of an upload, not yet taken from its chunks

    def begin(self, request: Request, host: bytes, trace: bytes = b"") -> bytes | None:
        """Start an exchange.

        Args:
            request: the request to send.
            host: value of the Host header.
            trace: see `codec.encode`.

        Returns:
            The whole request; None for an upload, which `next_chunk` returns piece by piece.
        """
        self.request = request
        self.first_byte_ns = 0
        self.keep_alive = False
        self._requests += 1
        self._reader.begin(request.method)
        data, body = encode(request, host, trace), request.body
        prefix = self._root if request.from_root else self._base
        if prefix:
            data = add_base_path(data, prefix)
        if body.__class__ is not Upload:
            return data
        self._chunks = body.chunks(data)
        self._unread_bytes = len(data) + body.length
        return None

    @property
    def is_uploading(self) -> bool:
        """`next_chunk` has more to send."""
        return self._chunks is not None

    def next_chunk(self) -> bytes:
        """Read the next piece of an upload; the first one begins with the request's head.

        Raises:
            RequestFailed: its file cannot be read, or has become shorter.
        """
        assert self._chunks is not None
        try:
            chunk = next(self._chunks)
        except OSError as error:
            raise RequestFailed(ErrorKind.JOURNEY_ERROR, f"the upload's file: {error}") from error
        self._unread_bytes -= len(chunk)
        if not self._unread_bytes:
            self._chunks = None
        return chunk

    def receive(self, received: Received, at_ns: int) -> Outcome | None:
        """Process what the connection received.

        Args:
            received: bytes; none of them, or an error, at the connection's end. A `RequestFailed`
                is returned as it is: the client itself broke the connection for this reason.
            at_ns: when it was received.

        Returns:
            The exchange's outcome; None while the response is incomplete.
        """
        request = self.request
        assert request is not None
        if request.stream is not None:
            return self._receive_stream(request, received, at_ns)
        if not isinstance(received, bytes) or not received:
            self.request = None
            return self._end(request, received if isinstance(received, Exception) else None, at_ns)
        if not self.first_byte_ns:
            self.first_byte_ns = at_ns
        reader = self._reader
        try:
            if not reader.feed(received):
                return None
        except ProtocolError as error:
            self.request = None
            return RequestFailed(ErrorKind.PROTOCOL, str(error))
        self.request = None
        self.idle_since_ns = at_ns
        self.keep_alive = (
            reader.keep_alive and self._chunks is None and not request.closes_connection
        )
        return Response(request, reader.status, reader.headers, reader.body)

    def _receive_stream(self, request: Request, received: Received, at_ns: int) -> Outcome | None:
        """Process what the connection received of a response that is read as it comes."""
        stream = self.stream
        outcome: Outcome | None
        if not isinstance(received, bytes) or not received:
            error = received if isinstance(received, Exception) else None
            if stream is None or stream.stream is None or isinstance(error, RequestFailed):
                outcome = self._end(request, error, at_ns)
            else:
                outcome = stream.end(error, at_ns)
        else:
            if stream is None:
                self.first_byte_ns = at_ns
                stream = self.stream = StreamExchange(request, self._reader, self.sent_ns)
            outcome = stream.receive(received, at_ns)
            if outcome is None:
                return None
            self.idle_since_ns = at_ns
            self.keep_alive = (
                not isinstance(outcome, RequestFailed)
                and stream.is_complete
                and self._reader.keep_alive
                and self._chunks is None
                and not request.closes_connection
            )
        self.request = self.stream = None
        return outcome

    @property
    def stream_reader(self) -> StreamReader | None:
        """The events so far of the stream in flight; None without one."""
        return None if self.stream is None else self.stream.stream

    def close_stream(self, at_ns: int, *, at_load_end: bool = False) -> Outcome | None:
        """End the stream in flight on purpose; return its outcome, None if it cannot be ended so.

        Args:
            at_ns: when.
            at_load_end: the load is over; otherwise the stream's own time limit may be.
        """
        stream = self.stream
        outcome = None if stream is None else stream.close(at_ns, at_load_end=at_load_end)
        if outcome is not None:
            self.request = self.stream = None
        return outcome

    def _end(self, request: Request, error: Exception | None, at_ns: int) -> Outcome:
        """Judge the end of the connection: for some responses, it is their regular end."""
        if isinstance(error, RequestFailed):
            return error
        if not self.first_byte_ns:
            return self._end_unanswered(request, error, at_ns)
        if error is not None:
            return RequestFailed(ErrorKind.RESET, f"within the response: {error}")
        reader = self._reader
        try:
            reader.eof()
        except ShortBody as short:
            return RequestFailed(ErrorKind.SHORT_BODY, str(short))
        return Response(request, reader.status, reader.headers, reader.body)

    def _end_unanswered(self, request: Request, error: Exception | None, at_ns: int) -> Outcome:
        idle_ns = self.sent_ns - self.idle_since_ns if self._requests > 1 else None
        return unanswered(request, error, idle_ns=idle_ns, waited_ns=at_ns - self.sent_ns)
