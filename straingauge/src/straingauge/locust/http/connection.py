"""One request and its response over a kept-alive line, and how that can fail: as in the engine."""

import errno
import ssl
from collections.abc import Iterator
from functools import cache
from time import monotonic_ns
from typing import Final

from gevent import get_hub
from gevent.hub import Hub

from straingauge.http import ErrorKind, Request, RequestFailed, Upload
from straingauge.http.address import Address
from straingauge.http.codec import ProtocolError, ResponseReader, ShortBody, encode
from straingauge.locust.http.receive_queue import ReceiveQueue
from straingauge.locust.http.socket_stream import WRITABLE, SocketStream, Told
from straingauge.locust.http.tls_stream import TlsStream

# Methods a client may repeat on its own when a connection turns out stale (RFC 9110, 9.2.2).
_IDEMPOTENT: Final = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})

_inbox_of = cache(ReceiveQueue)


class Stale(Exception):
    """The server had closed the connection before it saw the request: send it on a new one."""


class Connection:
    """A kept-alive connection with at most one request under way.

    Attributes:
        reader: holds the response.
        sent_ns: when the request's first byte was handed to the kernel.
        first_byte_ns: when the response began; 0 if it never did.
        done_ns: when it was over.
    """

    __slots__ = ("_line", "_used", "done_ns", "first_byte_ns", "reader", "sent_ns")

    def __init__(self, address: Address, tls: ssl.SSLContext | None, deadline_ns: int) -> None:
        """Connect: each address of the name in turn, and the one that answers first from then on.

        Raises:
            RequestFailed: the last one failed, too.
            TimedOut: the deadline came first.
        """
        hub: Hub = get_hub()
        inbox = _inbox_of(hub)
        self._line = SocketStream(hub, inbox) if tls is None else TlsStream(hub, inbox, tls)
        self._line.deadline_ns = deadline_ns
        self._used = 0
        self.reader = ResponseReader()
        self.sent_ns = self.first_byte_ns = self.done_ns = 0
        for last, ip in [(ip == address.ips[-1], ip) for ip in address.ips]:
            try:
                self._line.open(ip, address.port, address.host)
            except ssl.SSLError as error:
                raise RequestFailed(ErrorKind.TLS, str(error)) from error
            except OSError as error:
                if last:
                    raise _unreachable(error, ip, address.port) from error
            else:
                address.prefer(ip)
                break

    @property
    def closed(self) -> bool:
        """Nothing can be sent any more."""
        return self._line.closed

    @property
    def spare(self) -> bool:
        """See `Line`."""
        return self._line.spare

    def close(self) -> None:
        """Close at once."""
        self._line.close()

    def exchange(self, request: Request, host: bytes, deadline_ns: int, *, spare: bool) -> None:
        """Send a request, and receive its whole response.

        Args:
            request: what to send.
            host: the Host header's value.
            deadline_ns: when to give up.
            spare: whether to wait for the response even when killed; see `Line`.

        Raises:
            RequestFailed: there is no response.
            Stale: the server closed a kept connection without an answer, and it may be repeated.
            TimedOut: the deadline came first.
        """
        line, reader, body = self._line, self.reader, request.body
        line.deadline_ns, line.spare = deadline_ns, spare
        self._used += 1
        self.first_byte_ns = self.done_ns = 0
        reader.begin(request.method)
        data = encode(request, host)
        sent = True
        try:
            self.sent_ns = monotonic_ns()
            if body.__class__ is Upload:
                sent = self._upload(body, data, request)
            elif (rest := line.write(data)) is not None:
                sent = self._push(rest, request)
            while not self.done_ns:
                self._take(line.wait(), request)
        except BaseException:
            line.close()
            raise
        if not (sent and reader.keep_alive):
            line.close()  # answered for the last time, or before all of the request was sent

    def _upload(self, body: Upload, head: bytes, request: Request) -> bool:
        """Send it piece by piece; between two of them others get their turn. See `_push`."""
        first = True
        for piece in _pieces(body, head):
            if first:
                first, self.sent_ns = False, monotonic_ns()
            elif not self._turn(request):
                return False
            rest = self._line.write(piece)
            if rest is not None and not self._push(rest, request):
                return False
        return True

    def _push(self, rest: memoryview | None, request: Request) -> bool:
        """Send the rest as the line takes it; False when the answer came before its end."""
        while rest is not None:
            if not self._turn(request):
                return False
            rest = self._line.push(rest)
        return True

    def _turn(self, request: Request) -> bool:
        """Wait till the line takes more; False when the answer came first."""
        while (told := self._line.wait(writable=True)) is not WRITABLE:
            self._take(told, request)
            if self.done_ns:
                return False
        return True

    def _take(self, told: Told, request: Request) -> None:
        """Read what has come; the response is complete once `done_ns` is set."""
        at_ns = self._line.at_ns
        if not told or told.__class__ is not bytes:
            self.done_ns = at_ns
            self._end(told if isinstance(told, OSError) else None, request)
            return
        self.first_byte_ns = self.first_byte_ns or at_ns
        try:
            if self.reader.feed(told):
                self.done_ns = at_ns
        except ProtocolError as error:
            self.done_ns = at_ns
            raise RequestFailed(ErrorKind.PROTOCOL, str(error)) from error

    def _end(self, error: OSError | None, request: Request) -> None:
        """The connection is over: fine where that is how the response ends."""
        if not self.first_byte_ns:
            if self._used > 1 and request.method in _IDEMPOTENT:
                raise Stale
            how = "reset" if error else "closed"
            raise RequestFailed(ErrorKind.RESET, f"the connection was {how} without an answer")
        if error is not None:
            raise RequestFailed(ErrorKind.RESET, f"within the response: {error}") from error
        try:
            self.reader.eof()
        except ShortBody as short:
            raise RequestFailed(ErrorKind.SHORT_BODY, str(short)) from short
        self._line.close()


def _pieces(body: Upload, head: bytes) -> Iterator[bytes]:
    try:
        yield from body.chunks(head)
    except OSError as error:
        raise RequestFailed(ErrorKind.JOURNEY_ERROR, f"the upload's file: {error}") from error


def _unreachable(error: OSError, ip: str, port: int) -> RequestFailed:
    if error.errno == errno.ECONNREFUSED:
        return RequestFailed(ErrorKind.REFUSED, f"{ip} port {port} refused")
    return RequestFailed(ErrorKind.RESET, f"connecting to {ip}: {error}")
