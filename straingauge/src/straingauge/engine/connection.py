"""One connection of the engine: an exchange on an asyncio transport."""

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from straingauge.engine.transport_protocol import TransportProtocol
from straingauge.http import Request, RequestFailed, Response, StreamReader, StreamResponse
from straingauge.http.exchange import Exchange, Received
from straingauge.http.receive_queue import ReceiveQueue

if TYPE_CHECKING:
    from straingauge.engine.http2_connection import Http2Channel

AnyConnection: TypeAlias = "Connection | Http2Channel"
"""A user's connection: of HTTP/1.1, or its place on one of HTTP/2."""


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


class Connection(TransportProtocol):
    """A kept-alive connection with at most one request in flight.

    Attributes:
        owner: receives each outcome; None once the connection is closed.
        is_http2: False.
    """

    is_http2: Final = False

    __slots__ = ("_exchange", "_has_buffered", "_uploaded_ns", "owner")

    def __init__(
        self, owner: ConnectionOwner, queue: ReceiveQueue, base_path: str = "", root: str = ""
    ) -> None:
        super().__init__(queue)
        self.owner: ConnectionOwner | None = owner
        self._exchange = Exchange(base_path, root)
        self._uploaded_ns = 0  # when the last upload was sent whole
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
            self._exchange.sent_ns = self._send_more()
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

    def _buffer(self, data: bytes | memoryview) -> None:
        """See `TransportProtocol`."""
        self._has_buffered = True
        super()._buffer(data)

    def _send_more(self) -> int:
        """Write the next piece of an upload, if the connection takes it; see `send`.

        The pieces that follow are queued. A server that reads as fast as they are sent would
        otherwise have the whole upload written at once, and no response stamped meanwhile.
        """
        exchange = self._exchange
        if self.owner is None or not exchange.is_uploading or not self.is_writable:
            return 0
        try:
            chunk = exchange.next_chunk()
        except RequestFailed as failure:
            self._queue.put(self, failure)
            return monotonic_ns()
        sent_ns = monotonic_ns()
        if not exchange.is_uploading:
            self._uploaded_ns = sent_ns
        self._write_in_order(chunk)
        if exchange.is_uploading and self.is_writable:
            self._queue.add_task(self._send_more)
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
        return self._exchange.stream_reader

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
