"""An HTTP/2 connection of the engine, on a transport that keeps what is written."""

from collections.abc import Callable
from typing import Any, cast

from http2_peer import Http2Peer
from straingauge.engine.connection import AnyConnection
from straingauge.engine.http2_connection import Http2Channel, Http2Connection
from straingauge.http import Request, RequestFailed, Response, StreamResponse
from straingauge.http.http2.session import Http2Session
from straingauge.http.receive_queue import ReceiveQueue

GET = Request("GET", "/x", "GET /x")


class Transport:
    """A transport that keeps what is written, as one of TLS: it has no file.

    Attributes:
        is_stuck: It passes nothing on.
    """

    def __init__(self, protocol: str | None = None) -> None:
        self.written = b""
        self.is_aborted = self.is_stuck = False
        self.protocol: Any = None
        self._protocol = protocol

    def write(self, data: bytes) -> None:
        """Keep bytes."""
        self.written += data

    def take(self) -> bytes:
        """Take what was written."""
        taken, self.written = self.written, b""
        return taken

    def get_write_buffer_size(self) -> int:
        """Return the size of what is not passed on."""
        return len(self.written) if self.is_stuck else 0

    def set_write_buffer_limits(self, high: int) -> None:
        """Ignore limits."""

    def get_extra_info(self, name: str) -> object:
        """Return the TLS object."""
        return self if name == "ssl_object" else None

    def selected_alpn_protocol(self) -> str | None:
        """Return what the server has chosen."""
        return self._protocol

    def set_protocol(self, protocol: object) -> None:
        """Note the protocol."""
        self.protocol = protocol

    def abort(self) -> None:
        """Note the end."""
        self.is_aborted = True


class Owner:
    """A user that keeps what happens to it, in words."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def response_received(self, response: Response, _first_byte_ns: int, _at_ns: int) -> None:
        """Note a response."""
        self.seen.append(f"{response.status}")

    def stream_received(self, response: StreamResponse, _first_byte_ns: int, _at_ns: int) -> None:
        """Note a stream."""
        self.seen.append(f"{response.stream.events} events, {response.stream.ending}")

    def request_failed(self, failure: RequestFailed, _at_ns: int) -> None:
        """Note a failure."""
        self.seen.append(failure.kind)

    def connection_stale(self) -> None:
        """Note that the request is to be sent again."""
        self.seen.append("stale")

    def connection_closed(self, _connection: AnyConnection) -> None:
        """Note the end after a response."""
        self.seen.append("closed")

    def idle_connection_closed(self, _connection: AnyConnection) -> None:
        """Note the end without a request."""
        self.seen.append("idle closed")


class Scene:
    """A connection, the server's end of it, and a loop that runs on demand."""

    def __init__(self, *, max_streams: int = 100) -> None:
        self.work: list[Callable[[], None]] = []
        self.peer = Http2Peer(max_streams=max_streams)
        self.transport = Transport()
        self.connection = Http2Connection(ReceiveQueue(self.work.append), Http2Session("http"))
        self.connection.connection_made(cast("Any", self.transport))

    def join(self) -> tuple[Owner, Http2Channel]:
        """Add a user."""
        owner = Owner()
        return owner, self.connection.add_channel(owner)

    def run(self) -> None:
        """Work until nothing is left to do."""
        while self.work:
            self.work.pop(0)()

    def pass_on(self) -> None:
        """Let the server read and the client receive, until both are silent."""
        while True:
            self.run()
            sent = self.transport.take()
            self.peer.feed(sent)
            if not sent and not (received := self.peer.take()):
                return
            if not sent:
                self.connection.data_received(received)

    def end(self, error: Exception | None = None) -> None:
        """End the connection, as the server does."""
        self.connection.connection_lost(error)
        self.run()
