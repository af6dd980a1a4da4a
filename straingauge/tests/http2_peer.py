"""A server's end of an HTTP/2 connection, without any I/O, on the library `h2`."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings
from raw_server import Handler, Peer

Fields = list[tuple[str, str]]


@dataclass
class Http2Request:
    """A request as the server saw it."""

    stream_id: int
    fields: Fields
    body: bytes = b""
    at_ns: int = field(default_factory=time.monotonic_ns)

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]


class Http2Peer:
    """A server's end.

    Attributes:
        h2: The library's connection.
        complete: Complete requests that nothing has answered yet.
        resets: Streams that the client has reset, with their error codes.
    """

    def __init__(self, *, window_bytes: int = 65_535, max_streams: int = 100) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        self.h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.INITIAL_WINDOW_SIZE: window_bytes,
                SettingCodes.MAX_CONCURRENT_STREAMS: max_streams,
            },
        )
        self.h2.initiate_connection()
        self.complete: list[Http2Request] = []
        self.resets: dict[int, int | None] = {}
        self.reads = True  # gives the window back
        self._begun: dict[int, Http2Request] = {}

    def feed(self, data: bytes) -> None:
        """Process what the client has sent."""
        for event in self.h2.receive_data(data):
            if isinstance(event, RequestReceived):
                fields = [(str(name), str(value)) for name, value in event.headers]
                self._begun[event.stream_id] = Http2Request(event.stream_id, fields)
            elif isinstance(event, DataReceived):
                self._begun[event.stream_id].body += event.data
                if self.reads:
                    size = event.flow_controlled_length
                    self.h2.acknowledge_received_data(size, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.complete.append(self._begun.pop(event.stream_id))
            elif isinstance(event, StreamReset):
                self.resets[event.stream_id] = event.error_code

    def take(self) -> bytes:
        """Take the bytes for the client."""
        return self.h2.data_to_send()

    def answer(
        self, stream_id: int, body: bytes = b"{}", status: int = 200, fields: Fields | None = None
    ) -> None:
        """Send a whole response."""
        length = [("content-length", str(len(body)))]
        head = [(":status", str(status)), *length, *(fields or [])]
        self.h2.send_headers(stream_id, head, end_stream=not body)
        if body:
            self.h2.send_data(stream_id, body, end_stream=True)


Answer = Callable[[Http2Peer, Http2Request], None]


def speaking_http2(answer: Answer, **limits: int) -> Handler:
    """Speak HTTP/2 on a connection of `raw_server`: answer each request as soon as it is there."""

    def handler(peer: Peer) -> None:
        end = Http2Peer(**limits)
        peer.socket.sendall(end.take())
        while data := peer.socket.recv(65_536):
            end.feed(data)
            while end.complete:
                answer(end, end.complete.pop(0))
            peer.socket.sendall(end.take())

    return handler
