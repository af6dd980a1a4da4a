"""A TCP proxy in front of the service that delays packets, or passes a byte at a time.

    python -m campaigns.network.proxy HOST PORT TARGET_PORT MODE SECONDS

MODE is `delay` (both directions), `slow-reader` (a byte of the request in each interval) or
`slow-writer` (a byte of the response).
"""

import asyncio
import socket
import sys
from contextlib import suppress

DELAY, SLOW_READER, SLOW_WRITER = "delay", "slow-reader", "slow-writer"
BUFFER_BYTES = 16_384
"""Of a socket and of the proxy: what a slow reader has not read yet must not be accepted."""


async def delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on what was received, after a delay."""
    loop = asyncio.get_running_loop()
    while data := await reader.read(65536):
        loop.call_later(delay_s, writer.write, data)
    loop.call_later(delay_s, writer.close)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pause_s: float) -> None:
    """Pass on one byte in each interval."""
    while data := await reader.read(1):
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(pause_s)
    writer.close()


async def serve(host: str, port: int, target_port: int, mode: str, seconds: float) -> None:
    """Run the proxy until the process ends."""

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            there, back = await asyncio.open_connection(host, target_port, limit=BUFFER_BYTES)
            there_way = drip if mode == SLOW_READER else delay
            back_way = drip if mode == SLOW_WRITER else delay
            delay_s = seconds if mode == DELAY else 0.0
            await asyncio.gather(
                there_way(reader, back, seconds if mode == SLOW_READER else delay_s),
                back_way(there, writer, seconds if mode == SLOW_WRITER else delay_s),
            )
        writer.close()

    listener = socket.create_server((host, port), backlog=1024)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    server = await asyncio.start_server(connect, sock=listener, limit=BUFFER_BYTES)
    await server.serve_forever()


if __name__ == "__main__":
    _, own, own_port, behind, name, interval = sys.argv
    asyncio.run(serve(own, int(own_port), int(behind), name, float(interval)))
