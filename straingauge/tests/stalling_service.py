"""A service that freezes once, and keeps a log of its real response times.

Run as a program, with when and for how long to freeze, in seconds after the first request of a
load. ``GET /<ms>/<due>`` is one: it is answered after this many milliseconds, and ``<due>`` is the
client's note of when it should have been sent. Prints its port. At the end of its input it prints,
as JSON, for each such request its milliseconds, its note and the time of the response, in
nanoseconds of the machine's monotonic clock.
"""

import asyncio
import json
import re
import sys
import time
from typing import cast

ASKED = re.compile(rb"GET /(\d+)/(\d+) ")

log: list[tuple[int, int, int]] = []
began = asyncio.Event()


class Service(asyncio.Protocol):
    """Answers one request after the other on each connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new client."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle a request, which arrives whole: they are small."""
        if asked := ASKED.match(data):
            began.set()
            sleep_ms, due_ns = map(int, asked.groups())
            asyncio.get_running_loop().call_later(sleep_ms / 1e3, self.answer, sleep_ms, due_ns)
        else:  # any other request
            self.transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def answer(self, sleep_ms: int, due_ns: int) -> None:
        """Log first, so that no response is received before the time in the log."""
        log.append((sleep_ms, due_ns, time.monotonic_ns()))
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def freeze(at_s: float, for_s: float) -> None:
    """Let nothing happen for a while."""
    await began.wait()
    await asyncio.sleep(at_s)
    time.sleep(for_s)  # noqa: ASYNC251  this is the freeze


async def main() -> None:
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Service, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    freezing = loop.create_task(freeze(*map(float, sys.argv[1:])))
    await loop.run_in_executor(None, sys.stdin.read)
    freezing.cancel()
    json.dump(log, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
