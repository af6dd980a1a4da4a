"""The WebSocket steps of one Locust user, in its greenlet."""

from dataclasses import replace
from time import monotonic_ns
from typing import Final

from locust.env import Environment

from straingauge.http import ErrorKind, Request, RequestFailed
from straingauge.http.site import Site
from straingauge.http.websocket import (
    Close,
    Connect,
    Message,
    Receive,
    Send,
    SocketStep,
    WebSocket,
)
from straingauge.http.websocket.handshake import Handshake
from straingauge.journey import User
from straingauge.locust.http.client import Client
from straingauge.locust.http.connection_pool import ConnectionPool
from straingauge.locust.http.socket_channel import SocketChannel
from straingauge.locust.http.socket_stream import SocketStream, TimedOut
from straingauge.locust.session import Session
from straingauge.redaction import redact

_CLOSE_TIMEOUT_NS: Final = 5_000_000_000  # for the server's side of the closing handshake


class WebSockets:
    """Opens WebSockets, sends, receives and closes, with the samples of the engine.

    Args:
        user: The user of the journeys, who keeps cookies.
        client: Says where requests go, with the headers and cookies of the user.
        connections: Opens connections.
        session: Has the recording of the run.
        environment: Has Locust's statistics.
        timeout_s: Time limit of steps without their own.
    """

    def __init__(
        self,
        user: User,
        client: Client,
        connections: ConnectionPool,
        session: Session,
        environment: Environment,
        *,
        timeout_s: float,
    ) -> None:
        self._user = user
        self._client = client
        self._connections = connections
        self._session = session
        self._environment = environment
        self._timeout_s = timeout_s
        self._phase = "main"
        self._open: list[WebSocket] = []

    def run(self, step: SocketStep, phase: str) -> WebSocket | Message | int | RequestFailed | None:
        """Carry out a step; return its value for the journey, or its failure.

        Args:
            step: The step.
            phase: Phase of the result in which it is counted.
        """
        self._phase = phase
        if isinstance(step, Connect):
            return self._connect(step)
        if isinstance(step, Send):
            return self._send(step)
        if isinstance(step, Receive):
            return self._receive(step)
        self._close(step)
        return None

    def close_all(self) -> None:
        """Close what the journey has left open, without waiting."""
        for socket in list(self._open):
            if (data := socket.protocol.close(1000)) and not socket.channel.stream.closed:
                socket.channel.stream.write(data)
            self._forget(socket)

    def _connect(self, step: Connect) -> WebSocket | RequestFailed:
        due_ns = monotonic_ns()
        timeout_s = step.request.timeout_s or self._timeout_s
        stream: SocketStream | None = None
        failure: RequestFailed | None = None
        try:
            deadline_ns = due_ns + int(timeout_s * 1e9)
            stream, request, host, site = self._open_stream(step.request, deadline_ns)
            stream.deadline_ns = deadline_ns
            handshake = Handshake(replace(step, request=request))
            stream.write(handshake.request(host))
            answer = handshake.receive(stream.wait(), stream.at_ns)
            while answer is None:
                answer = handshake.receive(stream.wait(), stream.at_ns)
            self._user.keep_cookies(handshake.response, site)
            if isinstance(answer, RequestFailed):
                failure = answer
        except TimedOut:
            failure = step.late(timeout_s)
        except RequestFailed as error:
            failure = error.with_traceback(None)
        if failure is not None or stream is None or handshake.socket is None:
            if stream is not None:
                stream.close()
            assert failure is not None
            self._report(step.endpoint, due_ns, monotonic_ns(), failure)
            return failure
        socket = handshake.socket
        socket.channel = SocketChannel(stream, socket.protocol)
        socket.opened_ns = stream.at_ns
        if isinstance(answer, bytes) and answer:
            stream.write(answer)
        self._open.append(socket)
        self._report(step.endpoint, due_ns, stream.at_ns, None, status=101)
        return socket

    def _open_stream(
        self, request: Request, deadline_ns: int
    ) -> tuple[SocketStream, Request, bytes, Site]:
        """Connect; return also the request below the base path, the value of Host, and the site.

        Raises:
            RequestFailed: there is no connection, or the proxy passes no WebSocket.
            TimedOut: the deadline came first.
        """
        request, origin, host, site = self._client.place(request)
        if origin.address.request_root:
            text = "a WebSocket passes this proxy only to an https service"
            raise RequestFailed(ErrorKind.PROXY, text)
        stream = self._connections.open(origin, request, self._phase, deadline_ns)
        return stream, request, host, site

    def _send(self, step: Send) -> int | RequestFailed:
        socket, began_ns = step.socket, monotonic_ns()
        try:
            data = socket.protocol.send(step.data)
            socket.sent_ns = socket.channel.send(data, began_ns + int(self._timeout_s * 1e9))
        except TimedOut:
            failure = step.late(self._timeout_s)
        except RequestFailed as error:
            failure = error
        else:
            return socket.sent_ns
        socket.is_counted = socket.is_counted or failure is socket.protocol.failure
        self._report(step.endpoint, began_ns, monotonic_ns(), failure)
        return failure

    def _receive(self, step: Receive) -> Message | RequestFailed:
        socket, began_ns = step.socket, monotonic_ns()
        timeout_s = step.timeout_s or self._timeout_s
        deadline_ns = began_ns + int(timeout_s * 1e9)
        since_ns = step.after or socket.sent_ns or (began_ns if step.name else 0)
        failure: RequestFailed | None = None
        while (message := step.take()) is None and failure is None:
            if socket.protocol.failure is not None:
                failure = socket.protocol.failure
                break
            try:
                socket.channel.wait(deadline_ns)
            except TimedOut:
                failure = step.late(timeout_s)
        socket.sent_ns = 0
        if message is None:
            assert failure is not None
            socket.is_counted = socket.is_counted or failure is socket.protocol.failure
            self._report(step.endpoint, since_ns or began_ns, monotonic_ns(), failure)
            return failure
        if since_ns:
            self._report(step.endpoint, since_ns, max(message.at_ns, since_ns), None)
        return message

    def _close(self, step: Close) -> None:
        socket, deadline_ns = step.socket, monotonic_ns() + _CLOSE_TIMEOUT_NS
        try:
            if data := socket.protocol.close(step.code, step.reason):
                socket.channel.send(data, deadline_ns)
            while socket.protocol.failure is None:
                socket.channel.wait(deadline_ns)
        except TimedOut:
            pass  # the server's side of the closing handshake is missing
        self._forget(socket)

    def _forget(self, socket: WebSocket) -> None:
        if socket in self._open:
            self._open.remove(socket)
            if (violation := socket.unseen_violation) is not None:
                now_ns = monotonic_ns()
                self._report(socket.close().endpoint, now_ns, now_ns, violation)
            socket.channel.stream.close()
            recording = self._session.stats.recording
            recording.add_websocket(self._phase, socket.name, socket)

    def _report(
        self,
        endpoint: str,
        began_ns: int,
        done_ns: int,
        failure: RequestFailed | None,
        *,
        status: int = 0,
    ) -> None:
        """Count a sample, in Locust's statistics as well."""
        recording, stats = self._session.stats.recording, self._environment.stats
        recording.add_call(self._phase, endpoint, began_ns, done_ns, failure, status=status)
        name = redact(endpoint).removeprefix("WS ")
        stats.log_request("WS", name, round((done_ns - began_ns) / 1e6), 0)
        if failure is not None:
            stats.log_error("WS", name, redact(str(failure)))
