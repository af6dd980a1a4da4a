"""The connection of one WebSocket of a Locust user."""

from time import monotonic_ns

from straingauge.http.exchange import Received
from straingauge.http.websocket.protocol import WebSocketProtocol
from straingauge.locust.http.socket_stream import SocketStream


class SocketChannel:
    """Frames in both directions; pings are answered while no greenlet waits, too."""

    __slots__ = ("_protocol", "_rest", "stream")

    def __init__(self, stream: SocketStream, protocol: WebSocketProtocol) -> None:
        self.stream = stream
        self._protocol = protocol
        self._rest: memoryview | None = None  # of an answer that the kernel did not take
        stream.on_unrequested = self._take

    def send(self, data: bytes, deadline_ns: int) -> int:
        """Send, waiting until the server reads; return when the first byte was sent.

        Raises:
            TimedOut: the deadline came first.
        """
        stream = self.stream
        stream.deadline_ns = deadline_ns
        self._flush(self._rest)
        self._rest = None
        sent_ns = monotonic_ns()
        if not stream.closed:
            self._flush(stream.write(data))
        return sent_ns

    def wait(self, deadline_ns: int) -> None:
        """Wait until more is received, and process it.

        Raises:
            TimedOut: the deadline came first.
        """
        self.stream.deadline_ns = deadline_ns
        self._take(b"" if self.stream.closed else self.stream.wait())

    def _flush(self, rest: memoryview | None) -> None:
        while rest is not None and not self.stream.closed:
            received = self.stream.wait_writable()
            if received is None:
                rest = self.stream.write_rest(rest)
            else:
                self._take(received)

    def _take(self, received: Received) -> None:
        stream = self.stream
        answer = self._protocol.receive(received, stream.at_ns or monotonic_ns())
        if self._rest is not None and not stream.closed:
            self._rest = stream.write_rest(self._rest)
        # A server that reads no pongs gets none: one for the last ping is enough (section 5.5.3).
        if answer and not stream.closed and self._rest is None:
            self._rest = stream.write(answer)
        if self._protocol.failure is not None:
            stream.close()
