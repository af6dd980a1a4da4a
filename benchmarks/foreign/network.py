"""A server that responds late, and a proxy that delays each packet; both on loopback."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextmanager
def slow_server(delay_s: float) -> Iterator[str]:
    """Run an HTTP server that responds after a delay; yield its URL."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(delay_s)
        writer.write(RESPONSE)
        await writer.drain()
        writer.close()

    with _serving(respond) as port:
        yield f"http://{HOST}:{port}/rates"


@contextmanager
def delayed(host: str, port: int, delay_s: float) -> Iterator[int]:
    """Run a proxy that delays each packet in both directions; yield its port."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(delay_s, writer.write, data)
        loop.call_later(delay_s, writer.close)

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, port)
        await asyncio.gather(forward(reader, back), forward(there, writer))

    with _serving(connect) as proxy_port:
        yield proxy_port


@contextmanager
def _serving(handler: Handler) -> Iterator[int]:
    """Run a TCP server in a thread; yield its port."""
    loop = asyncio.new_event_loop()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):  # the other side has closed the connection
            await handler(reader, writer)

    server = loop.run_until_complete(asyncio.start_server(handle, HOST, 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
