"""The connection of one WebSocket: a protocol on an asyncio transport."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

from straingauge.engine.connection import AnyConnection, Connection
from straingauge.http.exchange import Received
from straingauge.http.receive_queue import ReceiveQueue


class ChannelOwner(Protocol):
    """The user of a channel."""

    def channel_received(self, channel: SocketChannel, received: Received, at_ns: int) -> None:
        """Work on what the channel received at this instant; empty at its end."""

    def channel_writable(self, channel: SocketChannel) -> None:
        """Continue to send."""


class SocketChannel(asyncio.Protocol):
    """Bytes in both directions, stamped when they are sent and received.

    Attributes:
        is_writable: The buffer for what the server has not read yet has room.
        is_lost: The connection has ended.
    """

    __slots__ = ("_fd", "_owner", "_queue", "_transport", "is_lost", "is_writable")

    def __init__(self, connection: AnyConnection, owner: ChannelOwner, queue: ReceiveQueue) -> None:
        """Take over an open connection, of HTTP/1.1."""
        assert isinstance(connection, Connection)
        self._owner: ChannelOwner | None = owner
        self._queue = queue
        self.is_writable = True
        self._transport, self._fd = connection.hand_over(self)
        self.is_lost = self._transport.is_closing()

    def write(self, data: bytes) -> int:
        """Send; return when the first byte was passed to the kernel."""
        at_ns, fd = monotonic_ns(), self._fd
        if self.is_lost:
            return at_ns
        if fd is not None and not self._transport.get_write_buffer_size():
            try:
                data = data[os.write(fd, data) :]
            except BlockingIOError:
                pass
            except OSError:
                return at_ns  # `connection_lost` brings it, after what can still be read
        if data:
            self._transport.write(data)
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

    # The event loop calls these.

    def data_received(self, data: bytes) -> None:
        """Queue received bytes."""
        self._queue.put(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        """Queue the end of the connection."""
        self._fd = None
        self.is_lost = True
        self._queue.put(self, error or b"")

    def pause_writing(self) -> None:
        """Hold messages back: the server does not read them."""
        self.is_writable = False

    def resume_writing(self) -> None:
        """Continue to send."""
        self.is_writable = True
        if self._owner is not None:
            task: Callable[[], None] = self._resume
            self._queue.add_task(task)

    def _resume(self) -> None:
        if self._owner is not None:
            self._owner.channel_writable(self)
