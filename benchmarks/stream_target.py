"""The target of the benches of streams and WebSockets: `stream_target.py`; prints its port.

Each GET of /events answers with server-sent events, 20 a second; an upgrade of /echo echoes small
messages. It counts events and messages at /counts.
"""

import asyncio
import base64
import hashlib
import json
import resource

import uvloop

EVENTS_PER_S = 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'data: {"price": 1234.56, "symbol": "ABCD", "at": 1700000000}\n\n'
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
counts = {"events": 0, "messages": 0, "open": 0}


class Peer(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.received = b""
        self.is_open = False  # as a WebSocket
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Stop the events."""
        counts["open"] -= self.is_open
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer a request, or echo messages."""
        self.received += data
        if self.is_open:
            self.echo()
        elif b"\r\n\r\n" in self.received:
            head, _, self.received = self.received.partition(b"\r\n\r\n")
            self.answer(head)

    def answer(self, head: bytes) -> None:
        """Answer one request."""
        if head.startswith(b"GET /events"):
            self.transport.write(HEAD)
            self.due_s = asyncio.get_running_loop().time()
            self.send_event()
        elif head.startswith(b"GET /echo"):
            lines = [line.partition(b": ") for line in head.split(b"\r\n")]
            key = next(value for name, _, value in lines if name.lower() == b"sec-websocket-key")
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())  # noqa: S324  RFC 6455
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            self.is_open = True
            counts["open"] += 1
            self.echo()
        else:
            body = json.dumps(counts).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )

    def send_event(self) -> None:
        """Send an event, and the next one in time."""
        self.transport.write(CHUNK)
        counts["events"] += 1
        self.due_s += 1 / EVENTS_PER_S
        self.timer = asyncio.get_running_loop().call_at(self.due_s, self.send_event)

    def echo(self) -> None:
        """Echo complete messages of fewer than 126 bytes."""
        data = self.received
        while len(data) >= 6 and len(data) >= 6 + (data[1] & 127):
            size = data[1] & 127
            mask, masked, data = data[2:6], data[6 : 6 + size], data[6 + size :]
            if mask != b"\0\0\0\0":
                repeated = (mask * (size // 4 + 1))[:size]
                plain = int.from_bytes(masked) ^ int.from_bytes(repeated)
                masked = plain.to_bytes(size)
            opcode = self.received[0]
            self.transport.write(bytes([opcode, size]) + masked)
            counts["messages"] += 1
            if opcode & 15 == 8:
                self.transport.close()
        self.received = data


async def main() -> None:
    """Serve until the process ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16_000)), hard))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
