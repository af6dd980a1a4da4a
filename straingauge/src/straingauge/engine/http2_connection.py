"""HTTP/2 connections of the engine: streams on an asyncio transport."""

from collections.abc import Callable
from time import monotonic_ns
from typing import Final

from straingauge.engine.connection import ConnectionOwner
from straingauge.engine.transport_protocol import TransportProtocol
from straingauge.http import (
    Request,
    RequestFailed,
    Response,
    StreamReader,
    StreamResponse,
)
from straingauge.http.exchange import Received
from straingauge.http.http2.exchange import Http2Exchange
from straingauge.http.http2.session import MAX_ANSWER_BYTES, Http2Session
from straingauge.http.receive_queue import ReceiveQueue


class Http2Connection(TransportProtocol):
    """One connection, with a channel for each of its users.

    Attributes:
        on_received: Called when something has been received: there may be room for more requests.
    """

    __slots__ = ("_channels", "_exchanges", "_session", "on_received")

    def __init__(self, queue: ReceiveQueue, session: Http2Session) -> None:
        super().__init__(queue)
        self._session = session
        self._channels: set[Http2Channel] = set()
        self._exchanges: dict[Http2Exchange, Http2Channel] = {}
        self.on_received: Callable[[], None] | None = None

    def add_channel(self, owner: ConnectionOwner) -> "Http2Channel":
        """Add a channel for a user."""
        channel = Http2Channel(owner, self)
        self._channels.add(channel)
        return channel

    def remove_channel(self, channel: "Http2Channel") -> None:
        """Remove a channel; the last one closes the connection."""
        self._channels.discard(channel)
        if not self._channels:
            self._session.close()
            self.flush()
            self._transport.abort()

    @property
    def is_open(self) -> bool:
        """Another request can be sent, now or later."""
        return self._session.is_usable

    @property
    def has_settings(self) -> bool:
        """The server has said how many requests it allows at once."""
        return self._session.has_settings

    @property
    def free_streams(self) -> int:
        """The number of requests that the server allows in addition to those in flight."""
        return self._session.free_streams if self._session.has_settings else 0

    def begin(
        self, channel: "Http2Channel", request: Request, host: bytes, trace: bytes
    ) -> Http2Exchange:
        """Send a request for a channel."""
        exchange = self._session.begin(request, host, trace, monotonic_ns())
        self._exchanges[exchange] = channel
        self._send_more()
        return exchange

    def cancel(self, exchange: Http2Exchange) -> None:
        """Give up a request; its channel is not notified."""
        self._exchanges.pop(exchange, None)
        self._session.cancel(exchange)
        self.flush()

    def _send_more(self) -> None:
        """Send bodies as far as flow control and the kernel allow, in slices."""
        if self.is_writable and self._session.send_content(monotonic_ns()):
            self._queue.add_task(self._send_more)
        if self._session.has_ended:  # an upload that cannot be read
            self._queue.add_task(self._deliver_now)
        self.flush()

    def flush(self) -> None:
        """Write now, not in the loop's next round, so that the stamps are true."""
        data = self._session.take_data()
        if data:
            self._write_in_order(data)

    def process(self, received: Received, at_ns: int) -> None:
        """Work on what was received; see `ReceiveQueue`."""
        self._session.receive(received, at_ns)
        self._send_more()
        if not self.is_lost and self._transport.get_write_buffer_size() > MAX_ANSWER_BYTES:
            self._session.end_unread(at_ns)
        self._deliver(at_ns)
        if self.on_received is not None:
            self.on_received()

    def _deliver_now(self) -> None:
        self._deliver(monotonic_ns())

    def _deliver(self, at_ns: int) -> None:
        """Give the users the outcomes of their requests, or the end of an idle connection."""
        for exchange in self._session.take_ended():
            channel = self._exchanges.pop(exchange, None)
            if channel is not None:
                channel.deliver(exchange, at_ns)
        if not self._session.is_usable:
            for channel in list(self._channels):
                channel.close_idle()


class Http2Channel:
    """One user's place on an HTTP/2 connection: at most one request in flight.

    Attributes:
        owner: Receives each outcome; None once the channel is closed.
        connection: The connection.
        is_http2: True.
    """

    __slots__ = ("_exchange", "connection", "owner")

    is_http2: Final = True

    def __init__(self, owner: ConnectionOwner, connection: Http2Connection) -> None:
        self.owner: ConnectionOwner | None = owner
        self.connection = connection
        self._exchange: Http2Exchange | None = None

    def send(self, request: Request, host: bytes, trace: bytes = b"") -> int:
        """Send a request; see `Connection.send`."""
        exchange = self._exchange = self.connection.begin(self, request, host, trace)
        return exchange.sent_ns

    @property
    def is_open(self) -> bool:
        """Another request can be sent."""
        return self.owner is not None

    def close(self) -> None:
        """Close at once, even with a request in flight; the owner is not notified."""
        self.owner = None
        self._cancel_exchange()
        self.connection.remove_channel(self)

    def cancel(self) -> bool:
        """Give up the request in flight; return whether the channel can be used further."""
        self._cancel_exchange()
        if self.connection.is_open:
            return True
        self.close()
        return False

    def _cancel_exchange(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self.connection.cancel(exchange)

    def deliver(self, exchange: Http2Exchange, at_ns: int) -> None:
        """Give the owner the outcome of its request."""
        owner, outcome = self.owner, exchange.outcome
        if owner is None or exchange is not self._exchange:
            return
        self._exchange = None
        if not self.connection.is_open or exchange.request.closes_connection:
            self.close()
            if isinstance(outcome, Response):
                owner.connection_closed(self)
        if isinstance(outcome, StreamResponse):
            owner.stream_received(outcome, exchange.first_byte_ns, at_ns)
        elif isinstance(outcome, Response):
            owner.response_received(outcome, exchange.first_byte_ns, at_ns)
        elif isinstance(outcome, RequestFailed):
            owner.request_failed(outcome, at_ns)
        else:
            if self.is_open:
                self.close()
            owner.connection_stale()

    def close_idle(self) -> None:
        """Close if no request is in flight: the connection ends."""
        owner = self.owner
        if owner is not None and self._exchange is None:
            self.close()
            owner.idle_connection_closed(self)

    def end_stream(self, at_ns: int, *, at_load_end: bool = False) -> bool:
        """End the stream in flight on purpose; see `Connection.end_stream`."""
        owner, exchange = self.owner, self._exchange
        if owner is None or exchange is None:
            return False
        outcome = exchange.close_stream(at_ns, at_load_end=at_load_end)
        if outcome is None:
            return False
        self.connection.cancel(exchange)
        exchange.outcome = outcome
        self.deliver(exchange, at_ns)
        return True

    @property
    def stream(self) -> StreamReader | None:
        """The events so far of the stream in flight; None without one."""
        exchange = self._exchange
        return None if exchange is None else exchange.stream_reader

    @property
    def unanswered_since_ns(self) -> int:
        """When the request in flight was sent whole; 0 if it was not, or its response has begun."""
        exchange = self._exchange
        return 0 if exchange is None or exchange.first_byte_ns else exchange.uploaded_ns
