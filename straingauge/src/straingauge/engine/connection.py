"""One connection of the engine: an exchange on an asyncio transport."""

import asyncio
import os
import sys
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, cast

from straingauge.http import Request, RequestFailed, Response, StreamReader, StreamResponse
from straingauge.http.exchange import Exchange, Received
from straingauge.http.receive_queue import ReceiveQueue

if TYPE_CHECKING:
    from straingauge.engine.http2_connection import Http2Channel

AnyConnection: TypeAlias = "Connection | Http2Channel"
"""A user's connection: of HTTP/1.1, or its place on one of HTTP/2."""

# What the kernel does not take at once is buffered; an upload is held back above this limit.
_MAX_UNSENT_BYTES: Final = 64 * 1024


class ConnectionOwner(Protocol):
    """The user of a connection."""

    def response_received(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """Handle a response that began and was complete at these instants."""

    def stream_received(self, response: StreamResponse, first_byte_ns: int, at_ns: int) -> None:
        """Handle the response of a stream that ended well at this instant."""

    def request_failed(self, failure: RequestFailed, at_ns: int) -> None:
        """Handle a failure at this instant; a connection of HTTP/1.1 is closed."""

    def connection_stale(self) -> None:
        """Send the request again on a new connection: the server had closed this one before."""

    def connection_closed(self, connection: "AnyConnection") -> None:
        """Handle the end of a connection after a response, which ended it."""

    def idle_connection_closed(self, connection: "AnyConnection") -> None:
        """Handle the end of a connection between two requests, by the server."""


class Connection(asyncio.Protocol):
    """A kept-alive connection with at most one request in flight.

    Attributes:
        owner: receives each outcome; None once the connection is closed.
        is_http2: False.
    """

    is_http2: Final = False

    __slots__ = (
        "_exchange",
        "_fd",
        "_has_buffered",
        "_is_lost",
        "_is_writable",
        "_queue",
        "_transport",
        "_uploaded_ns",
        "owner",
    )

    def __init__(
        self, owner: ConnectionOwner, queue: ReceiveQueue, base_path: str = "", root: str = ""
    ) -> None:
        self.owner: ConnectionOwner | None = owner
        self._queue = queue
        self._exchange = Exchange(base_path, root)
        self._transport: asyncio.Transport
        self._fd: int | None = None
        self._uploaded_ns = 0  # when the last upload was sent whole
        self._is_lost = False  # although its end may still wait in the queue
        self._is_writable = True
        self._has_buffered = False  # the kernel did not take all of this request at once

    def send(self, request: Request, host: bytes, trace: bytes = b"") -> int:
        """Send a request.

        Args:
            request: the request.
            host: value of the Host header.
            trace: see `codec.encode`.

        Returns:
            When its first byte was passed to the kernel, in nanoseconds.
        """
        data, fd = self._exchange.begin(request, host, trace), self._fd
        if data is None:
            self._exchange.sent_ns = self._write_chunk()
            return self._exchange.sent_ns
        sent_ns = self._exchange.sent_ns = monotonic_ns()
        if fd is None:
            self._buffer(data)
        else:
            self._write(fd, data)
        return sent_ns

    def close(self) -> None:
        """Close at once, even with a request in flight; the owner is not notified."""
        self.owner = None
        self._transport.abort()

    @property
    def is_open(self) -> bool:
        """Another request can be sent once none is in flight."""
        return self.owner is not None

    def cancel(self) -> bool:
        """Give up the request in flight; return whether the connection can be used further."""
        self.close()
        return False

    def hand_over(self, protocol: asyncio.Protocol) -> tuple[asyncio.Transport, int | None]:
        """Give the open connection to another protocol; return it, and its file if it is plain."""
        self.owner = None
        self._transport.set_protocol(protocol)
        return self._transport, self._fd

    def _write(self, fd: int, data: bytes) -> None:
        """Write now, not in the loop's next round, so that the stamp just taken is true."""
        try:
            written = os.write(fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            # A broken connection is reported by its reading side, after everything that can still
            # be read; `connection_lost` brings it.
            return
        if written < len(data):
            self._buffer(memoryview(data)[written:])

    def _buffer(self, data: bytes | memoryview) -> None:
        """Leave it to the transport, behind what it has."""
        if not self._is_lost:
            self._has_buffered = True
            self._transport.write(data)

    def _write_chunk(self) -> int:
        """Write the next piece of an upload, if the connection takes it; see `send`.

        The pieces that follow are queued. A server that reads as fast as they are sent would
        otherwise have the whole upload written at once, and no response stamped meanwhile.
        """
        exchange = self._exchange
        if self.owner is None or not exchange.is_uploading or not self._is_writable:
            return 0
        try:
            chunk = exchange.next_chunk()
        except RequestFailed as failure:
            self._queue.put(self, failure)
            return monotonic_ns()
        sent_ns, fd = monotonic_ns(), self._fd
        if not exchange.is_uploading:
            self._uploaded_ns = sent_ns
        if fd is None or self._transport.get_write_buffer_size():
            self._buffer(chunk)
        else:
            self._write(fd, chunk)
        if exchange.is_uploading and self._is_writable:
            self._queue.add_task(self._write_chunk)
        return sent_ns

    def process(self, received: Received, at_ns: int) -> None:
        """Work on what was received; see `ReceiveQueue`."""
        owner, exchange = self.owner, self._exchange
        if owner is None:
            return
        if exchange.request is None:  # the server closed it, or sends what was not requested
            self.close()
            owner.idle_connection_closed(self)
            return
        outcome = exchange.receive(received, at_ns)
        if outcome is None:
            return
        if isinstance(outcome, Response):
            if not exchange.keep_alive or (self._has_buffered and self._has_unsent()):
                # The rest of this request must not come between the bytes of the next one.
                self.close()
                owner.connection_closed(self)
            if outcome.__class__ is StreamResponse:
                owner.stream_received(outcome, exchange.first_byte_ns, at_ns)
            else:
                owner.response_received(outcome, exchange.first_byte_ns, at_ns)
            return
        self.close()
        if isinstance(outcome, RequestFailed):
            owner.request_failed(outcome, at_ns)
        else:
            owner.connection_stale()

    def end_stream(self, at_ns: int, *, at_load_end: bool = False) -> bool:
        """End the stream in flight on purpose; return whether there was one that may end so.

        Args:
            at_ns: When its time was over.
            at_load_end: The load is over; otherwise the time limit of the stream may be.
        """
        owner, exchange = self.owner, self._exchange
        outcome = exchange.close_stream(at_ns, at_load_end=at_load_end)
        if owner is None or outcome is None:
            return False
        self.close()
        if isinstance(outcome, RequestFailed):
            owner.request_failed(outcome, at_ns)
        elif isinstance(outcome, StreamResponse):
            owner.connection_closed(self)
            owner.stream_received(outcome, exchange.first_byte_ns, at_ns)
        return True

    @property
    def stream(self) -> StreamReader | None:
        """The events so far of the stream in flight; None without one."""
        stream = self._exchange.stream
        return None if stream is None else stream.stream

    @property
    def unanswered_since_ns(self) -> int:
        """When the request in flight was sent whole; 0 if it was not, or its response has begun."""
        exchange = self._exchange
        if exchange.request is None or exchange.first_byte_ns or exchange.is_uploading:
            return 0
        return max(exchange.sent_ns, self._uploaded_ns)

    def _has_unsent(self) -> bool:
        """Check whether the transport still buffers a part of this request."""
        self._has_buffered = self._transport.get_write_buffer_size() > 0
        return self._has_buffered

    # The event loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Handle the opened connection, after the TLS handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MAX_UNSENT_BYTES)
        # Windows' sockets are no files.
        if sys.platform != "win32" and transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        """Queue received bytes."""
        self._queue.put(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        """Queue the end of the connection."""
        # The kernel may give the number to another socket from now on.
        self._fd = None
        self._is_lost = True
        self._queue.put(self, error or b"")

    def pause_writing(self) -> None:
        """Hold an upload back."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Continue an upload."""
        self._is_writable = True
        self._queue.add_task(self._write_chunk)
