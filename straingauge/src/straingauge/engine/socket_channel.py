"""The connection of one WebSocket: a protocol on an asyncio transport."""

from __future__ import annotations

from time import monotonic_ns
from typing import Protocol

from straingauge.engine.connection import AnyConnection, Connection
from straingauge.engine.transport_protocol import TransportProtocol
from straingauge.http.exchange import Received
from straingauge.http.receive_queue import ReceiveQueue


class ChannelOwner(Protocol):
    """The user of a channel."""

    def channel_received(self, channel: SocketChannel, received: Received, at_ns: int) -> None:
        """Work on what the channel received at this instant; empty at its end."""

    def channel_writable(self, channel: SocketChannel) -> None:
        """Continue to send."""


class SocketChannel(TransportProtocol):
    """Bytes in both directions, stamped when they are sent and received."""

    __slots__ = ("_owner",)

    def __init__(self, connection: AnyConnection, owner: ChannelOwner, queue: ReceiveQueue) -> None:
        """Take over an open connection, of HTTP/1.1."""
        assert isinstance(connection, Connection)
        super().__init__(queue)
        self._owner: ChannelOwner | None = owner
        self._transport, self._fd = connection.hand_over(self)
        self.is_lost = self._transport.is_closing()

    def write(self, data: bytes) -> int:
        """Send; return when the first byte was passed to the kernel."""
        at_ns = monotonic_ns()
        if not self.is_lost:
            self._write_in_order(data)
        return at_ns

    def close(self, *, after_writing: bool = False) -> None:
        """Close; the owner is not notified."""
        self._owner = None
        if after_writing:
            self._transport.close()
        else:
            self._transport.abort()

    def process(self, received: Received, at_ns: int) -> None:
        """Work on what was received; see `ReceiveQueue`."""
        if self._owner is not None:
            self._owner.channel_received(self, received, at_ns)

    def _send_more(self) -> None:
        if self._owner is not None:
            self._owner.channel_writable(self)
