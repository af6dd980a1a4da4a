"""The service under load: HTTP/1.1, HTTP/2, WebSockets and event streams, and it counts.

    python -m campaigns.network.server HOST PORT COUNTS

COUNTS is a file of two 64-bit integers, the requests received and answered, which remains valid
if the process is killed. After SIGUSR1 it resets each connection that sends a request, until
SIGUSR2.
"""

import asyncio
import mmap
import signal
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, TextMessage
from wsproto.events import Request as Upgrade

BODY = b'{"message": "hello"}'
EVENTS, EVENT_S = 3, 0.01
OBSERVED = {b"/", b"/metrics"}
"""Paths that the instrument reads before and during the load."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\n"


class Counts:
    """Requests received and answered, in a file that other processes read."""

    _FORMAT = struct.Struct("<qq")

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(self._FORMAT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), self._FORMAT.size)

    def read(self) -> tuple[int, int]:
        """Return the requests received and answered."""
        received, answered = self._FORMAT.unpack(self._map[:])
        return received, answered

    def add(self, received: int, answered: int) -> None:
        """Count requests."""
        before = self.read()
        self._map[:] = self._FORMAT.pack(before[0] + received, before[1] + answered)


class Server:
    """The service."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self.resets = False

    async def serve(self, host: str, port: int) -> None:
        """Serve until the process ends."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._begin_resets)
        loop.add_signal_handler(signal.SIGUSR2, self._end_resets)
        server = await asyncio.start_server(self._talk, host, port, backlog=1024)
        await server.serve_forever()

    def _begin_resets(self) -> None:
        self.resets = True

    def _end_resets(self) -> None:
        self.resets = False

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ProtocolError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    if head == PREFACE:
                        await self._talk_http2(reader, writer)
                        return
                    path = head.split(b" ", 2)[1]
                    counts = path not in OBSERVED
                    self._counts.add(counts, 0)
                    if self.resets:
                        _reset(writer)
                        return
                    if b"\r\nupgrade: websocket" in head.lower():
                        await self._talk_websocket(head, reader, writer)
                        return
                    await _skip_body(head, reader)
                    await (_send_events(writer) if path == b"/events" else _answer(writer))
                    self._counts.add(0, counts)
        finally:
            writer.close()

    async def _talk_http2(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        received, counted = PREFACE, set[int]()
        while received:
            complete: set[int] = set()
            for event in connection.receive_data(received):
                if isinstance(event, RequestReceived):
                    is_counted = dict(event.headers)[b":path"] not in OBSERVED
                    self._counts.add(is_counted, 0)
                    counted.update({event.stream_id} if is_counted else ())
                    if self.resets:
                        _reset(writer)
                        return
                elif isinstance(event, StreamEnded):
                    complete.add(event.stream_id)
                elif isinstance(event, StreamReset):  # may arrive together with its request
                    complete.discard(event.stream_id)
            for stream_id in sorted(complete):
                fields = [(":status", "200"), ("content-length", str(len(BODY)))]
                connection.send_headers(stream_id, fields)
                connection.send_data(stream_id, BODY, end_stream=True)
                self._counts.add(0, stream_id in counted)
            writer.write(connection.data_to_send())
            await writer.drain()
            received = await reader.read(65536)

    async def _talk_websocket(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection = WSConnection(ConnectionType.SERVER)
        received = head
        while received:
            connection.receive_data(received)
            for event in connection.events():
                if isinstance(event, Upgrade):
                    writer.write(connection.send(AcceptConnection()))
                    self._counts.add(0, 1)
                elif isinstance(event, TextMessage):
                    if self.resets:
                        _reset(writer)
                        return
                    writer.write(connection.send(TextMessage(event.data)))
                elif isinstance(event, Ping | CloseConnection):
                    writer.write(connection.send(event.response()))
            await writer.drain()
            received = await reader.read(65536)


async def _answer(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY))
    await writer.drain()


async def _send_events(writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for number in range(EVENTS):
        event = b"data: %d\n\n" % number
        writer.write(b"%x\r\n%s\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(EVENT_S)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _skip_body(head: bytes, reader: asyncio.StreamReader) -> None:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    left = int(rest.partition(b"\r\n")[0]) if found else 0
    while left:
        data = await reader.read(min(left, 65536))
        if not data:
            raise ConnectionResetError
        left -= len(data)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection by a TCP reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


if __name__ == "__main__":
    asyncio.run(Server(Counts(Path(sys.argv[3]))).serve(sys.argv[1], int(sys.argv[2])))
