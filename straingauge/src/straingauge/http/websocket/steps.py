"""WebSockets in journeys: the handle, and the steps that it makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from straingauge.http.headers import TOKEN
from straingauge.http.models import ErrorKind, Request, RequestFailed
from straingauge.http.websocket.message import Message

if TYPE_CHECKING:
    from straingauge.http.websocket.protocol import WebSocketProtocol

MAX_MESSAGE_BYTES: Final = 1024 * 1024
SWITCHED: Final = frozenset({101})

Match: TypeAlias = Callable[[Message], Any] | Mapping[str, Any] | str
"""A function of the message; fields that its JSON object must have; or a text that it contains."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a WebSocket; the journey receives a `WebSocket`. Made by `User.websocket`.

    Attributes:
        request: The request of the handshake, which expects the status 101.
        subprotocols: Subprotocols to offer, the preferred one first.
        compress: Offer permessage-deflate (RFC 7692), which takes some 300 kB for each WebSocket.
        max_message_bytes: A larger message is a failure.
    """

    request: Request
    subprotocols: tuple[str, ...]
    compress: bool
    max_message_bytes: int

    def __post_init__(self) -> None:
        for name in self.subprotocols:
            if not isinstance(name, str) or not TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no name of a subprotocol")
        if not self.max_message_bytes > 0:
            raise ValueError(f"max_message_bytes must be more than 0, not {self.max_message_bytes}")
        if self.request.body is not None or self.request.stream is not None:
            raise ValueError("the handshake of a WebSocket has no body, and is no stream")

    @property
    def endpoint(self) -> str:
        """The name that the handshake counts under."""
        return self.request.name

    def late(self, limit_s: float) -> RequestFailed:
        """Return the failure of a handshake at its time limit."""
        return RequestFailed(ErrorKind.TIMEOUT, f"no WebSocket within {limit_s:g} s")


class WebSocket:
    """An open WebSocket. Its methods make steps, which the journey yields.

        socket = yield user.websocket("/chat")
        yield socket.send('{"id": 1}')
        reply = yield socket.receive(match={"id": 1})
        yield socket.close()

    Attributes:
        name: Name of its endpoint, such as "WS /chat".
        protocol: The protocol's state.
        subprotocol: The subprotocol that the server chose; None without one.
        channel: Of the client that opened it.
        sent_ns: When the last message was sent that no measured `receive` has answered; else 0.
        opened_ns: When it was opened.
        is_counted: Its failure has been counted, as that of a step.
    """

    __slots__ = (
        *("channel", "is_counted", "name", "opened_ns", "protocol", "sent_ns", "subprotocol"),
    )

    def __init__(self, name: str, protocol: "WebSocketProtocol", subprotocol: str | None) -> None:
        self.name = name
        self.protocol = protocol
        self.subprotocol = subprotocol
        self.channel: Any = None
        self.sent_ns = self.opened_ns = 0
        self.is_counted = False

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more."""
        return self.protocol.is_closed

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with; None while it is open."""
        return self.protocol.close_code

    @property
    def unseen_violation(self) -> RequestFailed | None:
        """A violation of the protocol that no step has met: nothing was awaited any more."""
        failure = self.protocol.failure
        if failure is None or failure.kind is not ErrorKind.PROTOCOL or self.is_counted:
            return None
        return failure

    def send(self, data: str | bytes) -> "Send":
        """Send a text or binary message; the journey receives the instant, for `receive(after=)`.

        Raises:
            ValueError: It is neither text nor bytes.
        """
        if not isinstance(data, str | bytes):
            raise ValueError(f"a message is text or bytes, not {data!r}")  # noqa: TRY004  as in requests
        return Send(self, data)

    def receive(
        self,
        *,
        match: Match | None = None,
        name: str | None = None,
        timeout_s: float | None = None,
        after: int | None = None,
    ) -> "Receive":
        """Wait for the next message; the journey receives a `Message`.

        After a `send` it is one sample: the time from sending to the message's arrival. Without
        one, it is a sample only if it has a name, from the beginning of the wait.

        Args:
            match: Only such a message; others stay for later.
            name: Name of the endpoint that it counts under; that of the WebSocket, with "receive".
            timeout_s: Time limit; None leaves it to the load.
            after: The instant of the message that is answered, in place of the last one.

        Raises:
            ValueError: The time limit is not more than 0.
        """
        if timeout_s is not None and not 0 < timeout_s < inf:
            raise ValueError(f"timeout_s must be more than 0, not {timeout_s}")
        return Receive(self, match, name, timeout_s, after)

    def close(self, code: int = 1000, reason: str = "") -> "Close":
        """Close it, and wait for the server's side of the closing handshake.

        Raises:
            ValueError: The code may not be sent (RFC 6455, section 7.4).
        """
        if not (code == 1000 or 3000 <= code < 5000):
            raise ValueError(f"a close code is 1000 or from 3000 to 4999, not {code}")
        return Close(self, code, reason)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message."""

    socket: WebSocket
    data: str | bytes

    @property
    def endpoint(self) -> str:
        """The name that a failure counts under."""
        return f"{self.socket.name} send"

    def late(self, limit_s: float) -> RequestFailed:
        """Return the failure at its time limit."""
        return RequestFailed(ErrorKind.TIMEOUT, f"the server took no message for {limit_s:g} s")


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for a message; see `WebSocket.receive`."""

    socket: WebSocket
    match: Match | None
    name: str | None
    timeout_s: float | None
    after: int | None

    @property
    def endpoint(self) -> str:
        """The name that the sample counts under."""
        return self.name or f"{self.socket.name} receive"

    def late(self, limit_s: float) -> RequestFailed:
        """Return the failure at its time limit."""
        queued = len(self.socket.protocol.messages)
        others = f", {queued} others were received" if queued else ""
        return RequestFailed(ErrorKind.TIMEOUT, f"no message within {limit_s:g} s{others}")

    def take(self) -> Message | None:
        """Take the first message that matches; return None if there is none."""
        messages = self.socket.protocol.messages
        for number, message in enumerate(messages):
            if self._matches(message):
                del messages[number]
                return message
        return None

    def _matches(self, message: Message) -> bool:
        match = self.match
        if match is None:
            return True
        if isinstance(match, str):
            data = message.data
            return match in data if isinstance(data, str) else match.encode() in data
        if isinstance(match, Mapping):
            return _has_fields(message, match)
        return bool(match(message))


@dataclass(frozen=True, slots=True)
class Close:
    """Close a WebSocket."""

    socket: WebSocket
    code: int
    reason: str

    @property
    def endpoint(self) -> str:
        """The name of the step in messages."""
        return f"{self.socket.name} close"


SocketStep: TypeAlias = Connect | Send | Receive | Close


def _has_fields(message: Message, fields: Mapping[str, Any]) -> bool:
    try:
        found = message.json()
    except ValueError:
        return False
    return isinstance(found, dict) and all(
        name in found and found[name] == value for name, value in fields.items()
    )
