"""A connection's side of an asyncio transport, whatever is spoken on it."""

import asyncio
import os
import sys
from abc import abstractmethod
from typing import Final, cast

from straingauge.http.exchange import Received
from straingauge.http.receive_queue import ReceiveQueue

# What the kernel does not take at once is buffered; what follows is held back above this limit.
_MAX_UNSENT_BYTES: Final = 64 * 1024


class TransportProtocol(asyncio.Protocol):
    """Queues what is received, and writes at once.

    Args:
        queue: Receives bytes, and the end of the connection.

    Attributes:
        is_lost: The connection has ended, although its end may still wait in the queue.
        is_writable: The buffer for what the server has not read yet has room.
    """

    __slots__ = ("_fd", "_queue", "_transport", "is_lost", "is_writable")

    def __init__(self, queue: ReceiveQueue) -> None:
        self._queue = queue
        self._transport: asyncio.Transport
        self._fd: int | None = None
        self.is_lost = False
        self.is_writable = True

    @abstractmethod
    def process(self, received: Received, at_ns: int) -> None:
        """Work on what was received; see `ReceiveQueue`."""

    @abstractmethod
    def _send_more(self) -> object:
        """Continue to send: the transport takes more again."""

    def _write_in_order(self, data: bytes) -> None:
        """Write behind what the transport has buffered; at once if that is nothing."""
        fd = self._fd
        if fd is None or self._transport.get_write_buffer_size():
            self._buffer(data)
        else:
            self._write(fd, data)

    def _write(self, fd: int, data: bytes) -> None:
        """Write now, not in the loop's next round, so that the stamp just taken is true."""
        try:
            written = os.write(fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            # The reading side reports a broken connection by `connection_lost`, after all bytes
            # that were received before.
            return
        if written < len(data):
            self._buffer(memoryview(data)[written:])

    def _buffer(self, data: bytes | memoryview) -> None:
        """Leave bytes to the transport, behind what it has."""
        if not self.is_lost:
            self._transport.write(data)

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
        self.is_lost = True
        self._queue.put(self, error or b"")

    def pause_writing(self) -> None:
        """Hold back what is left to send: the server does not read it."""
        self.is_writable = False

    def resume_writing(self) -> None:
        """Continue to send, soon."""
        self.is_writable = True
        self._queue.add_task(self._send_more)
