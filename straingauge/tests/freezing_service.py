"""A service that freezes, and keeps the log that says when it really answered.

Run as a program: prints its port; at the end of its input prints, as JSON, for each request its
target and when it was answered, in nanoseconds of the machine's monotonic clock.
"""

import asyncio
import json
import sys
import time
from typing import cast

FREEZE_S = 0.5
EVERY_S = 5.0

log: list[tuple[str, int]] = []


class Service(asyncio.Protocol):
    """Answers at once, whenever its loop is not frozen."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new client."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle a request, which arrives whole: they are small."""
        target = data.split(b" ", 2)[1].decode()
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        log.append((target, time.monotonic_ns()))


async def main() -> None:
    """Serve until the input ends; freeze in the middle of every five seconds."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Service, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = loop.run_in_executor(None, sys.stdin.read)
    freeze_at_s = time.monotonic() + EVERY_S / 2
    while not ended.done():
        await asyncio.wait([ended], timeout=freeze_at_s - time.monotonic())
        if not ended.done():
            time.sleep(FREEZE_S)  # noqa: ASYNC251  this is the freeze
            freeze_at_s += EVERY_S
    json.dump(log, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
