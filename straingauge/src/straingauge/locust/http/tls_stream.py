"""TLS over a socket stream, with any SSLContext and without gevent's sockets."""

import ssl
from functools import cache

from gevent.hub import Hub

from straingauge.http.exchange import Received
from straingauge.http.receive_queue import ReceiveQueue
from straingauge.locust.http.socket_stream import SocketStream

_RECORD_BYTES = 64 * 1024


@cache
def context(*, insecure: bool, offered: tuple[str, ...] = ()) -> ssl.SSLContext:
    """Return the context of this process: making one takes 20 ms and a megabyte.

    Args:
        insecure: accept any certificate.
        offered: protocols that the client offers (RFC 7301, ALPN).
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if insecure else ssl.create_default_context()
    if insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if offered:
        made.set_alpn_protocols(offered)
    return made


class TlsStream(SocketStream):
    """A socket stream whose bytes are encrypted."""

    __slots__ = ("_context", "_ended", "_incoming", "_outgoing", "_tls")

    def __init__(self, hub: Hub, queue: ReceiveQueue, context: ssl.SSLContext) -> None:
        super().__init__(hub, queue)
        self._context = context
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._tls: ssl.SSLObject
        self._ended = False

    def _shake_hands(self, host: str) -> None:
        """Run the TLS handshake.

        Raises:
            ssl.SSLError: it failed.
        """
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                received = super().wait()
                if isinstance(received, Exception):
                    raise received from None
                if not received:
                    raise ConnectionResetError("the server closed within the handshake") from None
                self._incoming.write(received)
            else:
                break
        self._flush()

    @property
    def protocol(self) -> str | None:
        """The protocol that the server has chosen of those offered; None without one."""
        return self._tls.selected_alpn_protocol()

    def _flush(self) -> None:
        rest = super().write(self._outgoing.read())
        while rest is not None:
            super().wait_writable()
            rest = self.write_rest(rest)

    def write(self, data: bytes | memoryview) -> memoryview | None:
        """Encrypt and send; see `SocketStream`."""
        try:
            self._tls.write(data)
        except ssl.SSLError:
            return None  # as with any broken connection, the reading side reports why
        return super().write(self._outgoing.read())

    def wait(self) -> Received:
        """Wait for the next decrypted bytes; see `SocketStream`."""
        while not self._ended:
            received = self._decrypt(super().wait())
            if received is not None:
                return received
        return b""

    def wait_writable(self) -> Received | None:
        """Wait until the stream takes more; see `SocketStream`."""
        while not self._ended:
            encrypted = super().wait_writable()
            if encrypted is None or (received := self._decrypt(encrypted)) is not None:
                return None if encrypted is None else received
        return b""

    def _decrypt(self, received: Received) -> Received | None:
        """Decrypt what was received; None if it was TLS's own (tickets, key updates)."""
        if not received or isinstance(received, Exception):
            return received
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

    def _handle_unrequested(self, received: Received) -> None:
        """Close, unless it is a session ticket (RFC 8446, section 4.6.1)."""
        decrypted = self._decrypt(received)
        if decrypted is not None:
            super()._handle_unrequested(decrypted)
