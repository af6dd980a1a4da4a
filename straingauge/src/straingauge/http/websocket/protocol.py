"""An open WebSocket: data to frames, frames to messages, with `wsproto`."""

from collections import Counter, deque
from typing import Final

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.extensions import Extension
from wsproto.utilities import LocalProtocolError

from straingauge.http.exchange import Received
from straingauge.http.models import ErrorKind, RequestFailed
from straingauge.http.websocket.message import Message

MAX_QUEUED: Final = 1024
"""Messages that wait until a journey receives them; older ones are dropped, and counted."""

NO_CODE: Final = 1005
ABNORMAL: Final = 1006
"""Close codes without a code, and without a closing handshake (RFC 6455, section 7.4.1)."""
_TOO_BIG: Final = 1009
_REASON_BYTES: Final = 123


class WebSocketProtocol:
    """One side of an open WebSocket: the client's. Pings are answered at once.

    Args:
        extensions: The negotiated extensions.
        max_message_bytes: A larger message ends the connection.

    Attributes:
        messages: Messages that were received, and not taken yet.
        counts: Messages and bytes in both directions, pings, and dropped messages.
        close_code: The code that the connection was closed with; None while it is open.
        failure: Why nothing can be received any more; None while something can.
    """

    __slots__ = (
        "_connection",
        "_max",
        "_parts",
        "_size",
        "close_code",
        "counts",
        "failure",
        "messages",
    )

    def __init__(self, extensions: list[Extension], max_message_bytes: int) -> None:
        self._connection = Connection(ConnectionType.CLIENT, extensions)
        self._max = max_message_bytes
        self._parts: list[str | bytes] = []
        self._size = 0
        self.messages: deque[Message] = deque()
        self.counts: Counter[str] = Counter()
        self.close_code: int | None = None
        self.failure: RequestFailed | None = None

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more."""
        return self.close_code is not None

    def send(self, data: str | bytes) -> bytes:
        """Encode a message.

        Raises:
            RequestFailed: The WebSocket is closed.
        """
        if self.is_closed:
            raise self.failure or RequestFailed(ErrorKind.CLOSED, "the journey has closed it")
        self.counts["sent"] += 1
        self.counts["sent_bytes"] += len(data)
        event = TextMessage(data=data) if isinstance(data, str) else BytesMessage(data=data)
        return self._connection.send(event)

    def receive(self, received: Received, at_ns: int) -> bytes:
        """Process what the connection received; return what has to be sent in return.

        Args:
            received: Bytes; none of them, or an error, at the connection's end.
            at_ns: When it was received.
        """
        if self.failure is not None:
            return b""
        if not isinstance(received, bytes) or not received:
            how = f": {received}" if isinstance(received, Exception) else ""
            self._fail(ErrorKind.RESET, f"closed without a closing handshake{how}", ABNORMAL)
            return b""
        self._connection.receive_data(received)
        answers = [self._process(event, at_ns) for event in self._connection.events()]
        return b"".join(answers)

    def close(self, code: int, reason: str = "") -> bytes:
        """Encode a close frame; return nothing if the WebSocket is closed already."""
        if self.is_closed:
            return b""
        self.close_code = code
        return self._send_close(code, reason)

    def _process(self, event: Event, at_ns: int) -> bytes:
        if self.failure is not None:
            return b""
        if isinstance(event, TextMessage | BytesMessage):
            return self._add(event, at_ns)
        if isinstance(event, Ping):
            self.counts["pings"] += 1
            # After our close frame, a ping needs no answer (RFC 6455, section 5.5.1).
            is_open = self._connection.state is ConnectionState.OPEN
            return self._connection.send(event.response()) if is_open else b""
        if isinstance(event, CloseConnection):
            return self._handle_close(event)
        return b""

    def _add(self, event: TextMessage | BytesMessage, at_ns: int) -> bytes:
        part: str | bytes = event.data if isinstance(event, TextMessage) else bytes(event.data)
        self._size += len(part)
        if part:  # of empty fragments, a server may send any number
            self._parts.append(part)
        if self._size > self._max:
            self._parts.clear()
            self._fail(ErrorKind.TOO_LARGE, f"a message of more than {self._max} bytes", _TOO_BIG)
            return self._send_close(_TOO_BIG, "")
        if event.message_finished:
            data: str | bytes
            if isinstance(event, TextMessage):
                data = "".join(map(str, self._parts))
            else:
                data = b"".join(each for each in self._parts if isinstance(each, bytes))
            self.counts["received"] += 1
            self.counts["received_bytes"] += self._size
            self._parts, self._size = [], 0
            self.messages.append(Message(data, at_ns))
            if len(self.messages) > MAX_QUEUED:
                self.messages.popleft()
                self.counts["dropped"] += 1
        return b""

    def _handle_close(self, event: CloseConnection) -> bytes:
        state = self._connection.state
        if state is ConnectionState.CLOSED:  # the answer to our close frame
            self.failure = RequestFailed(ErrorKind.CLOSED, "the journey has closed it")
            return b""
        code, reason = int(event.code), event.reason or ""
        if state is ConnectionState.REMOTE_CLOSING:
            text = f"the server closed it with code {code}{reason and f': {reason}'}"
            self._fail(ErrorKind.CLOSED, text, code)
            return self._connection.send(event.response())
        # Not a close frame of the server: `wsproto` asks to close because of a violation.
        self._fail(ErrorKind.PROTOCOL, f"WebSocket: {reason or 'protocol violation'}", code)
        return self._send_close(code, reason)

    def _fail(self, kind: ErrorKind, detail: str, code: int) -> None:
        self.failure = RequestFailed(kind, detail)
        if self.close_code is None:
            self.close_code = code

    def _send_close(self, code: int, reason: str) -> bytes:
        short = reason.encode()[:_REASON_BYTES].decode(errors="ignore")
        try:
            return self._connection.send(CloseConnection(code=code, reason=short or None))
        except LocalProtocolError:  # it is closing already
            return b""
