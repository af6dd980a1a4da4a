"""A service that sleeps before each answer, for a time it draws, and logs what it did.

Run as a program: prints its port; at the end of its input prints, as JSON, for each request its
target, when it was received, when the answer was on its way, and the sleep in between: all in
nanoseconds, instants by the machine's monotonic clock. `MEAN_S` (1st argument) is the sleeps'.
"""

import asyncio
import json
import random
import sys
import time
from typing import cast

log: list[tuple[str, int, int, int]] = []
chance = random.Random(5)
mean_s = float(sys.argv[1]) if __name__ == "__main__" else 0.0


class Service(asyncio.Protocol):
    """Answers one request after the other on each connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new client."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Handle a request, which arrives whole: they are small."""
        received_ns = time.monotonic_ns()
        target = data.split(b" ", 2)[1].decode()
        sleep_s = chance.expovariate(1 / mean_s)
        asyncio.get_running_loop().call_later(sleep_s, self.answer, target, received_ns, sleep_s)

    def answer(self, target: str, received_ns: int, sleep_s: float) -> None:
        """Log first, so that no response is received before the time in the log."""
        log.append((target, received_ns, time.monotonic_ns(), round(sleep_s * 1e9)))
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def main() -> None:
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Service, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    json.dump(log, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
