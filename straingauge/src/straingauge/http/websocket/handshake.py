"""The opening handshake of a WebSocket (RFC 6455, section 4)."""

import base64
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from wsproto.extensions import Extension

from straingauge.http.codec import (
    MAX_HEAD_BYTES,
    ProtocolError,
    ResponseReader,
    ShortBody,
    add_base_path,
    encode,
)
from straingauge.http.exchange import Received
from straingauge.http.headers import RawHeaders, combine, values_of
from straingauge.http.models import ErrorKind, RequestFailed, Response, check_response
from straingauge.http.websocket.deflate import Deflate
from straingauge.http.websocket.protocol import WebSocketProtocol
from straingauge.http.websocket.steps import Connect, WebSocket

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_END: Final = b"\r\n\r\n"
_SWITCHED: Final = b"HTTP/1.1 101"


class Handshake:
    """Asks for a WebSocket, and checks what the server answers.

    Attributes:
        socket: The WebSocket, once it is open.
        raw_headers: The response's head; empty before.
    """

    __slots__ = ("_connect", "_deflate", "_head", "_key", "_reader", "raw_headers", "socket")

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._key = base64.b64encode(os.urandom(16))
        self._deflate = Deflate() if connect.compress else None
        self._head = b""
        self._reader: ResponseReader | None = None  # of an answer that is no WebSocket
        self.raw_headers: RawHeaders = b""
        self.socket: WebSocket | None = None

    @property
    def response(self) -> Response:
        """The head of the server's answer, as that of a request."""
        status = 101 if self._reader is None else self._reader.status
        return Response(self._connect.request, status, self.raw_headers, b"")

    def request(self, host: bytes, base_path: str = "") -> bytes:
        """Encode the request."""
        own = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": self._key.decode("ascii"),
        }
        if self._connect.subprotocols:
            own["Sec-WebSocket-Protocol"] = ", ".join(self._connect.subprotocols)
        if self._deflate is not None:
            own["Sec-WebSocket-Extensions"] = f"{self._deflate.name}; {self._deflate.offer()}"
        request = self._connect.request
        asking = replace(request, headers=combine(request.headers, own), encoded=None)
        data = encode(asking, host)
        return add_base_path(data, base_path.encode("ascii")) if base_path else data

    def receive(self, received: Received, at_ns: int) -> RequestFailed | bytes | None:
        """Process what the connection received.

        Returns:
            Why there is no WebSocket; or what has to be sent in return, when `socket` is open,
            which is mostly nothing; None while the answer is incomplete.
        """
        if not isinstance(received, bytes) or not received:
            return self._handle_end(received if isinstance(received, Exception) else None)
        if self._reader is not None:
            return self._refuse(received)
        self._head += received
        if not self._head.startswith(_SWITCHED[: len(self._head)]):
            self._reader = ResponseReader()
            return self._refuse(self._head)
        head, end, rest = self._head.partition(_END)
        if end:
            return self._open(head, rest, at_ns)
        if len(head) <= MAX_HEAD_BYTES:
            return None
        return RequestFailed(ErrorKind.PROTOCOL, f"more than {MAX_HEAD_BYTES} bytes of headers")

    def _open(self, head: bytes, rest: bytes, at_ns: int) -> bytes | RequestFailed:
        self.raw_headers = head
        if (wrong := next(self._problems(), None)) is not None:
            return RequestFailed(ErrorKind.PROTOCOL, f"WebSocket handshake: {wrong}")
        extensions: list[Extension] = []
        if self._deflate is not None and self._value(b"sec-websocket-extensions"):
            extensions.append(self._deflate)
        connect = self._connect
        protocol = WebSocketProtocol(extensions, connect.max_message_bytes)
        subprotocol = self._value(b"sec-websocket-protocol") or None
        self.socket = WebSocket(connect.request.name, protocol, subprotocol)
        return protocol.receive(rest, at_ns) if rest else b""

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong with the response."""
        upgrade, connection = self._value(b"upgrade"), self._value(b"connection")
        if upgrade.lower() != "websocket":
            yield f"Upgrade is {upgrade!r}"
        if "upgrade" not in [each.strip().lower() for each in connection.split(",")]:
            yield f"Connection is {connection!r}"
        accept = self._value(b"sec-websocket-accept")
        expected = base64.b64encode(hashlib.sha1(self._key + _GUID).digest()).decode()  # noqa: S324  RFC 6455
        if accept != expected:
            yield f"Sec-WebSocket-Accept is {accept!r}, expected {expected!r}"
        chosen = self._value(b"sec-websocket-protocol")
        if chosen and chosen not in self._connect.subprotocols:
            yield f"subprotocol {chosen!r} was not offered"
        if extensions := self._value(b"sec-websocket-extensions"):
            yield from self._agree(extensions)

    def _agree(self, extensions: str) -> Iterator[str]:
        """Take over the parameters of the extension; yield what is wrong with it."""
        deflate, name = self._deflate, extensions.partition(";")[0].strip()
        if deflate is None or name != deflate.name or "," in extensions:
            yield f"extension {extensions!r} was not offered"
            return
        try:
            deflate.finalize(extensions)
        except (ValueError, IndexError):
            yield f"extension {extensions!r} has a wrong parameter"

    def _refuse(self, received: bytes) -> RequestFailed | None:
        """Read an answer that is no WebSocket, to show its status."""
        reader = self._reader
        assert reader is not None
        try:
            is_complete = reader.feed(received)
        except ProtocolError as error:
            return RequestFailed(ErrorKind.PROTOCOL, str(error))
        return self._refusal(reader) if is_complete else None

    def _refusal(self, reader: ResponseReader) -> RequestFailed:
        self.raw_headers = reader.headers
        request = self._connect.request
        response = Response(request, reader.status, reader.headers, reader.body)
        failure = check_response(response)
        assert failure is not None  # only 101 is expected
        return failure

    def _handle_end(self, error: Exception | None) -> RequestFailed:
        if isinstance(error, RequestFailed):
            return error
        reader = self._reader
        if reader is not None and error is None:
            try:
                reader.eof()
            except ShortBody as short:
                return RequestFailed(ErrorKind.SHORT_BODY, str(short))
            return self._refusal(reader)
        how = f"reset: {error}" if error else "closed"
        return RequestFailed(ErrorKind.RESET, f"the connection was {how} within the handshake")

    def _value(self, name: bytes) -> str:
        return b", ".join(values_of(self.raw_headers, name)).decode("latin-1")
