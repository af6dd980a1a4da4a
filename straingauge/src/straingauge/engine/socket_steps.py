"""The WebSocket steps of one virtual user."""

from __future__ import annotations

from time import monotonic_ns
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from straingauge.engine.connector import connect
from straingauge.engine.socket_channel import SocketChannel
from straingauge.http import ErrorKind, RequestFailed
from straingauge.http.address import connect_timeout_failure
from straingauge.http.websocket import Close, Connect, Receive, Send, SocketStep, WebSocket
from straingauge.http.websocket.handshake import Handshake
from straingauge.journey import JourneyError, Step

if TYPE_CHECKING:
    import asyncio

    from straingauge.engine.connection import Connection, ConnectionOwner
    from straingauge.engine.load import EndpointSink
    from straingauge.engine.route import Route
    from straingauge.engine.virtual_user import VirtualUser
    from straingauge.http.exchange import Received
    from straingauge.http.websocket import Message

# Steps that need no waiting are carried out at once; after these, other users get their turn.
_MAX_AT_ONCE: Final = 64
_CLOSE_TIMEOUT_NS: Final = 5_000_000_000  # for the server's side of the closing handshake

_Value: TypeAlias = "WebSocket | Message | int | None"


class _Waiting:
    """The step's outcome comes later."""


_WAITING: Final = _Waiting()


class SocketSteps:
    """Opens WebSockets for one virtual user, sends, receives and closes.

    A step whose outcome is there, such as a message that arrived before, is over at once.

    Attributes:
        step: The step whose outcome is awaited; None without one.
    """

    __slots__ = (
        *("_handshake", "_opening", "_route", "_sink", "_sinks", "_timeout_ns", "_user"),
        *("open", "step"),
    )

    def __init__(self, user: VirtualUser) -> None:
        self._user = user
        self._opening: asyncio.Task[None] | None = None
        self._handshake: tuple[Handshake, SocketChannel, int] | None = None  # and when it was sent
        self._route: Route  # of the handshake
        self._sink: EndpointSink  # of the handshake
        self._sinks: dict[int, EndpointSink] = {}  # of each open WebSocket, by its id
        self._timeout_ns = 0
        self.open: list[WebSocket] = []
        self.step: SocketStep | None = None

    def do(self, step: SocketStep) -> None:
        """Carry out a step, and those after it as long as their outcomes are there."""
        user = self._user
        left = _MAX_AT_ONCE
        following: Step | None = step
        while isinstance(following, Connect | Send | Receive | Close):
            if user.context.is_closing:
                user.stop()
                return
            if not left:
                user.context.loop.call_soon(self.do, following)
                return
            left -= 1
            outcome = self._begin(following)
            if isinstance(outcome, _Waiting):
                return
            try:
                following = self._advance(outcome)
            except JourneyError as error:
                user.handle_error(error)
                return
        user.do(following)

    def _advance(self, outcome: _Value | RequestFailed) -> Step | None:
        """Give the journey a step's outcome; return its next step, of any kind."""
        execution = self._user.execution
        if isinstance(outcome, RequestFailed):
            return execution.fail(outcome)
        return execution.answer(outcome)

    def _begin(self, step: SocketStep) -> _Value | RequestFailed | _Waiting:
        self._user.intended_ns = self._user.transaction_start_ns()
        if isinstance(step, Connect):
            return self._connect(step)
        if isinstance(step, Send):
            return self._send(step)
        if isinstance(step, Receive):
            return self._receive(step)
        return self._close(step)

    # Connect.

    def _connect(self, step: Connect) -> _Waiting:
        user, request = self._user, step.request
        self._wait(step, request.timeout_s)
        self._route = user.context.routes.find_http1(request.origin)
        user.note_request(request)
        self._sink = user.sink_of(request.name)
        self._opening = user.context.loop.create_task(self._open(step))
        return _WAITING

    async def _open(self, step: Connect) -> None:
        context = self._user.context
        if self._route.address.request_root:
            text = "a WebSocket passes this proxy only to an https service"
            self._fail(RequestFailed(ErrorKind.PROXY, text), monotonic_ns())
            return
        async with context.connect_limit:
            began_ns = monotonic_ns()
            # Only the end of an idle connection can be reported, since it sends no request.
            connection = await connect(cast("ConnectionOwner", self), context, self._route)
        self._opening = None
        if isinstance(connection, RequestFailed):
            self._fail(connection, monotonic_ns())
            return
        context.connections += 1
        self._sink.add_connection(monotonic_ns() - began_ns)
        channel = SocketChannel(connection, self, context.receive_queue, context.closing)
        handshake = Handshake(step)
        base_path = "" if step.request.from_root else self._route.address.base_path
        data = handshake.request(self._host(step), base_path)
        context.sent += 1
        self._handshake = handshake, channel, channel.write(data)
        if channel.is_lost:
            self.channel_received(channel, b"", monotonic_ns())

    def _host(self, step: Connect) -> bytes:
        """Return the value of the Host header, with the cookies of the user."""
        user, route = self._user.user, self._route
        cookies = user.cookie_line(step.request, route.site) if user.has_cookies else b""
        return route.host_lines + cookies

    def idle_connection_closed(self, connection: Connection) -> None:
        """Do nothing: `SocketChannel` finds that the connection is lost."""

    def _shake_hands(self, received: Received, at_ns: int) -> None:
        assert self._handshake is not None
        handshake, channel, sent_ns = self._handshake
        answer = handshake.receive(received, at_ns)
        if answer is None:
            return
        self._user.user.keep_cookies(handshake.response, self._route.site)
        if isinstance(answer, RequestFailed):
            self._fail(answer, at_ns)
            return
        self._handshake = None
        socket = handshake.socket
        assert socket is not None
        socket.channel, socket.opened_ns = channel, at_ns
        if answer:
            channel.write(answer)
        self._sink.add(self._user.intended_ns, sent_ns, at_ns, at_ns, 101, handshake.raw_headers)
        self.open.append(socket)
        self._sinks[id(socket)] = self._sink
        self._end(socket)

    # Send, receive and close.

    def _send(self, step: Send) -> int | RequestFailed | _Waiting:
        socket, channel = step.socket, step.socket.channel
        if not channel.is_writable and not socket.is_closed:
            self._wait(step, None)
            return _WAITING
        try:
            data = socket.protocol.send(step.data)
        except RequestFailed as failure:
            return self._count(failure, step, monotonic_ns())
        self._user.intended_ns = 0
        socket.sent_ns = channel.write(data)
        return socket.sent_ns

    def _receive(self, step: Receive) -> Message | RequestFailed | _Waiting:
        if (message := step.take()) is not None:
            return self._received(step, message)
        if step.socket.protocol.failure is not None:
            return self._count(step.socket.protocol.failure, step, monotonic_ns())
        self._wait(step, step.timeout_s)
        return _WAITING

    def _received(self, step: Receive, message: Message) -> Message:
        user, socket = self._user, step.socket
        since_ns = step.after or socket.sent_ns or (user.intended_ns if step.name else 0)
        if since_ns:
            socket.sent_ns = 0
            done_ns = max(message.at_ns, since_ns)
            user.sink_of(step.endpoint).add(since_ns, since_ns, done_ns, done_ns, 0, None)
        user.deadline_ns = user.intended_ns = 0
        return message

    def _close(self, step: Close) -> _Waiting | None:
        socket = step.socket
        if data := socket.protocol.close(step.code, step.reason):
            socket.channel.write(data)
        if socket.protocol.failure is not None:
            self._forget(socket)
            return None
        self._wait(step, None)
        self._user.deadline_ns = monotonic_ns() + _CLOSE_TIMEOUT_NS
        return _WAITING

    # Outcomes that come later.

    def channel_received(self, channel: SocketChannel, received: Received, at_ns: int) -> None:
        """See `ChannelOwner`."""
        if self._handshake is not None and self._handshake[1] is channel:
            self._shake_hands(received, at_ns)
            return
        socket = next((each for each in self.open if each.channel is channel), None)
        if socket is None:
            return
        answer = socket.protocol.receive(received, at_ns)
        # A server that reads no pongs gets none: one for the last ping is enough (section 5.5.3).
        if answer and (channel.is_writable or socket.protocol.failure is not None):
            channel.write(answer)
        if socket.protocol.failure is not None:
            channel.close(after_writing=True)
        self._look_again(socket, at_ns)

    def _look_again(self, socket: WebSocket, at_ns: int) -> None:
        """Look whether the step that waits is over, after something was received."""
        step = self.step
        if isinstance(step, Receive) and step.socket is socket:
            if (message := step.take()) is not None:
                self._end(self._received(step, message))
            elif socket.protocol.failure is not None:
                self._end(self._count(socket.protocol.failure, step, at_ns))
        elif isinstance(step, Close | Send) and step.socket is socket:
            if socket.protocol.failure is None:
                return
            if isinstance(step, Send):
                self._end(self._count(socket.protocol.failure, step, at_ns))
            else:
                self._forget(socket)
                self._end(None)

    def channel_writable(self, channel: SocketChannel) -> None:
        """See `ChannelOwner`."""
        if isinstance(self.step, Send) and self.step.socket.channel is channel:
            step, self.step = self.step, None
            self._user.deadline_ns = 0
            self.do(step)

    def time_out(self, at_ns: int) -> None:
        """Give up the step that waits at its deadline."""
        step = self.step
        limit_s = self._timeout_ns / 1e9
        if isinstance(step, Connect):
            late = step.late if self._opening is None else connect_timeout_failure
            self._fail(late(limit_s), at_ns)
        elif isinstance(step, Close):
            self._forget(step.socket)
            self._end(None)
        elif isinstance(step, Receive | Send):
            self._end(self._count(step.late(limit_s), step, at_ns))

    def end_load(self) -> bool:
        """Give up a wait for a message that answers nothing; return whether there was one."""
        step = self.step
        if not isinstance(step, Receive) or step.after or step.socket.sent_ns or step.name:
            return False
        self.step = None
        self._user.deadline_ns = self._user.intended_ns = 0
        return True

    def close_all(self) -> None:
        """Close what the journey has left open."""
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._handshake is not None:
            self._handshake[1].close()
            self._handshake = None
        self.step = None
        for socket in list(self.open):
            if data := socket.protocol.close(1000):
                socket.channel.write(data)
            self._forget(socket)

    # Both.

    def _wait(self, step: SocketStep, timeout_s: float | None) -> None:
        user = self._user
        self.step = step
        self._timeout_ns = user.context.timeout_ns if timeout_s is None else int(timeout_s * 1e9)
        user.deadline_ns = monotonic_ns() + self._timeout_ns

    def _end(self, outcome: _Value | RequestFailed) -> None:
        """End the step that waits."""
        user = self._user
        self.step = None
        user.deadline_ns = user.intended_ns = 0
        try:
            following = self._advance(outcome)
        except JourneyError as error:
            user.handle_error(error)
        else:
            user.do(following)

    def _fail(self, failure: RequestFailed, at_ns: int) -> None:
        """End a `Connect` that failed."""
        user, sent_ns = self._user, 0
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        if self._handshake is not None:
            _, channel, sent_ns = self._handshake
            channel.close()
            self._handshake = None
        self._sink.add_failure(user.intended_ns, sent_ns or user.intended_ns, 0, at_ns, failure)
        self._end(failure)

    def _count(
        self, failure: RequestFailed, step: Send | Receive | Close, at_ns: int
    ) -> RequestFailed:
        """Count the failure of a step."""
        user, socket, since_ns = self._user, step.socket, 0
        if isinstance(step, Receive):
            since_ns, socket.sent_ns = step.after or socket.sent_ns, 0
        since_ns = since_ns or user.intended_ns or at_ns
        socket.is_counted = socket.is_counted or failure is socket.protocol.failure
        user.sink_of(step.endpoint).add_failure(since_ns, since_ns, 0, at_ns, failure)
        user.deadline_ns = user.intended_ns = 0
        return failure

    def _forget(self, socket: WebSocket) -> None:
        """Close the connection of a WebSocket, and count what went over it."""
        if socket not in self.open:
            return
        if (violation := socket.unseen_violation) is not None:
            self._count(violation, socket.close(), monotonic_ns())
        self.open.remove(socket)
        socket.channel.close(after_writing=True)
        self._sinks.pop(id(socket)).add_websocket(socket, monotonic_ns())
