"""A service that waits before each answer: `turning_service.py PORT WAIT_MS [REQUESTS [FILE]]`.

With REQUESTS it ends silently after this many; with FILE it makes that then, and
goes on.
"""

import asyncio
import os
import sys
from pathlib import Path
from typing import cast

wait_s = float(sys.argv[2]) / 1000
left = int(sys.argv[3]) if len(sys.argv) > 3 else None


class Service(asyncio.Protocol):
    """Answers one request after the other on each connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport of a new client."""
        self.transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, _data: bytes) -> None:
        """Handle a request, which arrives whole: they are small."""
        asyncio.get_running_loop().call_later(wait_s, self.answer)

    def answer(self) -> None:
        """Always the same, until the last."""
        global left  # noqa: PLW0603  of the whole process
        if left is not None:
            left -= 1
            if left < 0 and len(sys.argv) > 4:
                Path(sys.argv[4]).touch()
            elif left < 0:
                print("I have had enough", flush=True)
                os._exit(7)
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


asyncio.run(main())
