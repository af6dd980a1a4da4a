"""The connection of one WebSocket: a protocol on an asyncio transport."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import Final, Protocol

from straingauge.engine.connection import AnyConnection, Connection
from straingauge.engine.transport_protocol import TransportProtocol
from straingauge.http.exchange import Received
from straingauge.http.receive_queue import ReceiveQueue

_END_NS: Final = 500_000_000  # for TLS to end, and the last frames to leave


class ChannelOwner(Protocol):
    """The user of a channel."""

    def channel_received(self, channel: SocketChannel, received: Received, at_ns: int) -> None:
        """Work on what the channel received at this instant; empty at its end."""

    def channel_writable(self, channel: SocketChannel) -> None:
        """Continue to send."""


class SocketChannel(TransportProtocol):
    """Bytes in both directions, stamped when they are sent and received.

    Args:
        connection: An open connection of HTTP/1.1, which it takes over.
        owner: Its user.
        queue: Receives bytes, and the end of the connection.
        closing: The channels that are being closed: of TLS, the server takes part in that.
    """

    __slots__ = ("_closing", "_owner")

    def __init__(
        self,
        connection: AnyConnection,
        owner: ChannelOwner,
        queue: ReceiveQueue,
        closing: set[SocketChannel],
    ) -> None:
        assert isinstance(connection, Connection)
        super().__init__(queue)
        self._closing = closing
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
        if not after_writing:
            self._transport.abort()
        elif not self.is_lost:
            self._closing.add(self)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end; see `TransportProtocol`."""
        self._closing.discard(self)
        super().connection_lost(error)

    def process(self, received: Received, at_ns: int) -> None:
        """Work on what was received; see `ReceiveQueue`."""
        if self._owner is not None:
            self._owner.channel_received(self, received, at_ns)

    def _send_more(self) -> None:
        if self._owner is not None:
            self._owner.channel_writable(self)


async def end_closing(closing: set[SocketChannel]) -> None:
    """Give channels that are being closed a moment, and end those whose server takes no part."""
    until_ns = monotonic_ns() + _END_NS
    while closing and monotonic_ns() < until_ns:  # noqa: ASYNC110  rare, and a set has no event
        await asyncio.sleep(0.005)
    for channel in list(closing):
        channel.close()
    await asyncio.sleep(0)  # aborted connections end
