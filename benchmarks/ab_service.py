"""A small service with realistic times, for `ab.py`: `ab_service.py PORT [ENDPOINT=FACTOR ...]`.

Each response takes a random time of computing and waiting; `/list=1.1` makes those of /list take
10 % longer.
"""

import asyncio
import random
import sys
import time

# Medians of the log-normal times for computing and waiting, in ms.
TIMES_MS = {"/list": (1.5, 4.0), "/item": (0.4, 1.5), "/search": (4.0, 8.0)}
SPREAD = 0.35  # standard deviation of their logarithm

chance = random.Random()
factors: dict[str, float] = {}


class Service(asyncio.Protocol):
    """A connection, whose requests are answered one after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new connection."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Handle a request, which always arrives in one piece."""
        path = data.split(b" ", 2)[1].decode()
        computing_ms, waiting_ms = TIMES_MS.get(path, (0.0, 0.0))
        scale = factors.get(path, 1.0) * chance.lognormvariate(0, SPREAD) / 1000
        until_s = time.perf_counter() + computing_ms * scale
        while time.perf_counter() < until_s:
            pass
        asyncio.get_running_loop().call_later(waiting_ms * scale, self.respond)

    def respond(self) -> None:
        """Send the response."""
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def main() -> None:
    """Serve until killed."""
    for word in sys.argv[2:]:
        path, _, factor = word.partition("=")
        factors[path] = float(factor)
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
