"""One connection of one user: bytes out, bytes in, and how it can end."""

import asyncio
import os
import sys
from collections.abc import Iterator
from time import monotonic_ns
from typing import Final, Protocol, cast

from straingauge.engine.receive_queue import Received, ReceiveQueue
from straingauge.http import ErrorKind, Request, RequestFailed, Response, Upload
from straingauge.http.codec import ProtocolError, ResponseReader, ShortBody, encode

# Methods a client may repeat on its own when a connection turns out stale (RFC 9110, 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
# What the kernel does not take at once waits here; an upload of which so much waits is held back.
_MOST_UNSENT_BYTES: Final = 64 * 1024


class Owner(Protocol):
    """The user behind a connection."""

    def answered(self, response: Response, first_byte_ns: int, at_ns: int) -> None:
        """The response began and was complete at these instants."""

    def failed(self, failure: RequestFailed, at_ns: int) -> None:
        """The request failed at this instant; the connection is gone."""

    def stale(self) -> None:
        """The server had closed the connection before it saw the request: send it on a new one."""

    def dropped(self, connection: "Connection") -> None:
        """The connection ended while nothing was under way."""


class Connection(asyncio.Protocol):
    """A kept-alive connection with at most one request under way.

    Attributes:
        owner: who hears of what happens; None once the connection is closed.
    """

    __slots__ = (
        "_awaited",
        "_broken",
        "_buffered",
        "_chunks",
        "_fd",
        "_first_byte_ns",
        "_inbox",
        "_lost",
        "_reader",
        "_transport",
        "_unread_bytes",
        "_used",
        "_writable",
        "owner",
    )

    def __init__(self, owner: Owner, inbox: ReceiveQueue) -> None:
        self.owner: Owner | None = owner
        self._inbox = inbox
        self._transport: asyncio.Transport
        self._fd: int | None = None
        self._lost = False  # although the owner has not heard of it yet
        self._awaited: Request | None = None
        self._used = 0
        self._chunks: Iterator[bytes] | None = None
        self._unread_bytes = 0  # of an upload, before they are taken from its chunks
        self._writable = True
        self._buffered = False  # whether the kernel did not take all of this request at once
        self._broken: RequestFailed | None = None
        self._reader = ResponseReader()
        self._first_byte_ns = 0

    def send(self, request: Request, host: bytes) -> int:
        """Send a request.

        Returns:
            When its first byte was handed to the kernel, in nanoseconds.
        """
        self._reader.begin(request.method)
        self._first_byte_ns = 0
        self._awaited = request
        self._used += 1
        data, fd, body = encode(request, host), self._fd, request.body
        if body.__class__ is Upload:
            self._chunks = body.chunks(data)
            self._unread_bytes = len(data) + body.length
            return self._write_chunk()
        sent_ns = monotonic_ns()
        if fd is None:
            self._pass_on(data)
        else:
            self._write(fd, data)
        return sent_ns

    def close(self) -> None:
        """Close at once, whatever is under way; the owner hears no more of it."""
        self.owner = None
        self._awaited = None
        self._chunks = None
        self._transport.abort()

    def _write(self, fd: int, data: bytes) -> None:
        """Write now, not when the loop comes round: the stamp just taken is to be true."""
        try:
            written = os.write(fd, data)
        except BlockingIOError:
            written = 0
        except OSError:
            # A broken connection is reported by its reading side, after whatever was still there
            # to be read; `connection_lost` brings it.
            return
        if written < len(data):
            self._pass_on(memoryview(data)[written:])

    def _pass_on(self, data: bytes | memoryview) -> None:
        """Leave it to the transport, behind whatever it has."""
        if not self._lost:  # or `connection_lost` has told, and what it told waits in the inbox
            self._buffered = True
            self._transport.write(data)

    def _write_chunk(self) -> int:
        """Write the next piece of an upload, if the connection takes it; see `send`.

        The others wait for their turn. A server that reads as fast would have the whole upload
        written at once, and nobody's answer stamped meanwhile.
        """
        if self._chunks is None or not self._writable:
            return 0
        try:
            chunk = next(self._chunks)
        except OSError as error:
            self._broken = RequestFailed(ErrorKind.JOURNEY_ERROR, f"the upload's file: {error}")
            self._chunks = None
            self._transport.abort()
            return monotonic_ns()
        self._unread_bytes -= len(chunk)
        sent_ns, fd = monotonic_ns(), self._fd
        if fd is None or self._transport.get_write_buffer_size():
            self._pass_on(chunk)
        else:
            self._write(fd, chunk)
        if not self._unread_bytes:
            self._chunks = None
        elif self._writable:
            self._inbox.turn(self._write_chunk)
        return sent_ns

    def take(self, received: Received, at_ns: int) -> None:
        """Work on what was received; see `Inbox`."""
        if self.owner is None:
            return
        if not isinstance(received, bytes):
            self._ended(received, at_ns)
        elif self._awaited is None:
            self._forget().dropped(self)  # nobody asked
        else:
            self._first_byte_ns = self._first_byte_ns or at_ns
            try:
                complete = self._reader.feed(received)
            except ProtocolError as error:
                self._forget().failed(RequestFailed(ErrorKind.PROTOCOL, str(error)), at_ns)
            else:
                if complete:
                    self._answered(self.owner, self._awaited, at_ns)

    def _answered(self, owner: Owner, request: Request, at_ns: int) -> None:
        reader = self._reader
        self._awaited = None
        if not reader.keep_alive or self._chunks is not None or (self._buffered and self._unsent()):
            # Answered for the last time, or before all of the request was sent: its rest must not
            # come between the bytes of the next one.
            self._forget().dropped(self)
        response = Response(request, reader.status, reader.headers, reader.body)
        owner.answered(response, self._first_byte_ns, at_ns)

    def _unsent(self) -> bool:
        """Whether what the kernel did not take at once is still here."""
        self._buffered = self._transport.get_write_buffer_size() > 0
        return self._buffered

    def _ended(self, error: Exception | None, at_ns: int) -> None:
        request = self._awaited
        owner = self._forget()
        if request is None:
            owner.dropped(self)
        elif self._broken is not None:
            owner.failed(self._broken, at_ns)
        elif self._first_byte_ns == 0:
            if self._used > 1 and request.method in _IDEMPOTENT:
                owner.stale()
            else:
                how = "reset" if error else "closed"
                failure = RequestFailed(
                    ErrorKind.RESET, f"the connection was {how} without an answer"
                )
                owner.failed(failure, at_ns)
        elif error is not None:
            owner.failed(RequestFailed(ErrorKind.RESET, f"within the response: {error}"), at_ns)
        else:
            self._ended_cleanly(owner, request, at_ns)

    def _ended_cleanly(self, owner: Owner, request: Request, at_ns: int) -> None:
        reader = self._reader
        try:
            reader.eof()
        except ShortBody as error:
            owner.failed(RequestFailed(ErrorKind.SHORT_BODY, str(error)), at_ns)
        else:
            owner.dropped(self)
            response = Response(request, reader.status, reader.headers, reader.body)
            owner.answered(response, self._first_byte_ns, at_ns)

    def _forget(self) -> Owner:
        """This connection has served its owner."""
        owner = cast("Owner", self.owner)
        self.close()
        return owner

    # The event loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open, TLS included."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_MOST_UNSENT_BYTES)
        # Windows' sockets are no files.
        if sys.platform != "win32" and transport.get_extra_info("ssl_object") is None:
            self._fd = transport.get_extra_info("socket").fileno()

    def data_received(self, data: bytes) -> None:
        """Something came."""
        self._inbox.put(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection ended."""
        # The kernel may give the number to another socket from now on.
        self._fd = None
        self._lost = True
        self._inbox.put(self, error)

    def pause_writing(self) -> None:
        """The connection takes no more for now."""
        self._writable = False

    def resume_writing(self) -> None:
        """The connection takes more."""
        self._writable = True
        self._inbox.turn(self._write_chunk)
