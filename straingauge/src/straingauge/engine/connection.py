"""One connection of one user: bytes out, bytes in, and how it can end."""

import asyncio
import os
import sys
from collections.abc import Iterator
from time import monotonic_ns
from typing import Final, Protocol, cast

from straingauge.engine.inbox import Inbox, Received
from straingauge.journey import Kind, Request, RequestFailed, Response, Upload
from straingauge.wire import ProtocolError, ResponseReader, ShortBody, encode

# Methods a client may repeat on its own when a connection turns out stale (RFC 9110, 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
_MOST_UNSENT_BYTES: Final = 256 * 1024


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
        "_chunks",
        "_fd",
        "_first_byte_ns",
        "_inbox",
        "_reader",
        "_transport",
        "_used",
        "_writable",
        "owner",
    )

    def __init__(self, owner: Owner, inbox: Inbox) -> None:
        self.owner: Owner | None = owner
        self._inbox = inbox
        self._transport: asyncio.Transport
        self._fd: int | None = None
        self._awaited: Request | None = None
        self._used = 0
        self._chunks: Iterator[bytes] | None = None
        self._writable = True
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
        data, fd = encode(request, host), self._fd
        sent_ns = monotonic_ns()
        if fd is None:
            self._transport.write(data)
        else:
            self._write(fd, data)
        if request.body.__class__ is Upload:
            self._chunks = request.body.chunks()
            self._write_chunks()
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
            self._transport.write(data[written:])

    def _write_chunks(self) -> None:
        """Write as much of an upload as the connection takes for now.

        A server that reads as fast would have the whole upload written at once, and nobody's
        answer stamped meanwhile: so it goes turn by turn.
        """
        written_bytes = 0
        try:
            while self._writable and self._chunks is not None:
                if written_bytes >= _MOST_UNSENT_BYTES:
                    self._inbox.soon(self._write_chunks)
                    return
                chunk = next(self._chunks, None)
                if chunk is None:
                    self._chunks = None
                else:
                    self._transport.write(chunk)
                    written_bytes += len(chunk)
        except OSError as error:
            self._broken = RequestFailed(Kind.JOURNEY_ERROR, f"the upload's file: {error}")
            self._chunks = None
            self._transport.abort()

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
                self._forget().failed(RequestFailed(Kind.PROTOCOL, str(error)), at_ns)
            else:
                if complete:
                    self._answered(self.owner, self._awaited, at_ns)

    def _answered(self, owner: Owner, request: Request, at_ns: int) -> None:
        reader = self._reader
        self._awaited = None
        if self._chunks is not None or not reader.keep_alive:
            # Answered before all of an upload was sent, or for the last time.
            self._forget().dropped(self)
        response = Response(request, reader.status, reader.headers, reader.body)
        owner.answered(response, self._first_byte_ns, at_ns)

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
                failure = RequestFailed(Kind.RESET, f"the connection was {how} without an answer")
                owner.failed(failure, at_ns)
        elif error is not None:
            owner.failed(RequestFailed(Kind.RESET, f"within the response: {error}"), at_ns)
        else:
            self._ended_cleanly(owner, request, at_ns)

    def _ended_cleanly(self, owner: Owner, request: Request, at_ns: int) -> None:
        reader = self._reader
        try:
            reader.eof()
        except ShortBody as error:
            owner.failed(RequestFailed(Kind.SHORT_BODY, str(error)), at_ns)
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
        self._inbox.put(self, error)

    def pause_writing(self) -> None:
        """The connection takes no more for now."""
        self._writable = False

    def resume_writing(self) -> None:
        """The connection takes more."""
        self._writable = True
        self._write_chunks()
