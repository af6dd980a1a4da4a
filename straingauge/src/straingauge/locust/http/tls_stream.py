"""TLS around a line, with any SSLContext: gevent's sockets have no part in it."""

import ssl
from functools import cache

from gevent.hub import Hub

from straingauge.locust.http.receive_queue import Received, ReceiveQueue
from straingauge.locust.http.socket_stream import SocketStream, Told

_RECORD_BYTES = 64 * 1024


@cache
def context(*, insecure: bool) -> ssl.SSLContext:
    """The process' own: reading the authorities for each user would cost 20 ms and a megabyte."""
    if not insecure:
        return ssl.create_default_context()
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    return trusting


class TlsStream(SocketStream):
    """A line whose bytes are encrypted on their way."""

    __slots__ = ("_context", "_ended", "_incoming", "_outgoing", "_tls")

    def __init__(self, hub: Hub, inbox: ReceiveQueue, context: ssl.SSLContext) -> None:
        super().__init__(hub, inbox)
        self._context = context
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._tls: ssl.SSLObject
        self._ended = False

    def _begin(self, host: str) -> None:
        """Shake hands.

        Raises:
            ssl.SSLError: they do not.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                received = super().wait()
                if isinstance(received, OSError):
                    raise received from None
                if not received:
                    raise ssl.SSLEOFError("the server closed within the handshake") from None
                self._incoming.write(received)  # type: ignore[arg-type]  # none was asked for
            else:
                break
        self._flush()

    def _flush(self) -> None:
        rest = super().write(self._outgoing.read())
        while rest is not None:
            super().wait(writable=True)
            rest = self.push(rest)

    def write(self, data: bytes) -> memoryview | None:
        """See `Line`."""
        try:
            self._tls.write(data)
        except ssl.SSLError:
            return None  # as with any broken connection, reading tells why
        return super().write(self._outgoing.read())

    def wait(self, *, writable: bool = False) -> Told:
        """See `Line`."""
        while True:
            told = b"" if self._ended else super().wait(writable=writable)
            if not told or not isinstance(told, bytes):
                return told
            clear = self._decrypted(told)
            if clear is not None:
                return clear

    def _decrypted(self, received: bytes) -> Received | None:
        """What was meant for us; None where TLS has talked to itself."""
        self._incoming.write(received)
        clear = []
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                clear.append(piece)
            self._ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._ended = True
        except ssl.SSLError as error:
            self._ended = True
            return error
        if clear:
            return b"".join(clear)
        return b"" if self._ended else None

    def _unasked(self, received: Received) -> None:
        """Tickets may come at any time (RFC 8446, section 4.6.1); anything else is the end."""
        if not isinstance(received, bytes) or not received or self._decrypted(received) is not None:
            self.close()
