"""A small HTTP service that appends the instant of each response to a file.

    python server.py LOG ADDRESS

Prints its port. The file has 8 bytes for each response, an instant of `time.monotonic_ns`, and
survives the service.
"""

import asyncio
import os
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """The running service.

    Args:
        log: The file with the instants; created.
        address: The address it listens on.
    """

    def __init__(self, log: Path, address: str) -> None:
        log.touch()
        command = [sys.executable, __file__, str(log), address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://{address}:{self.port}"

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def answered_ns(log: Path) -> list[int]:
    """Read the instants of all responses, in order."""
    content = log.read_bytes()
    return [at_ns for (at_ns,) in struct.iter_unpack("=q", content[: len(content) // 8 * 8])]


async def serve(log: Path, address: str) -> None:
    """Serve until killed."""
    file = os.open(log, os.O_WRONLY | os.O_APPEND)

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET /hello "):
                    os.write(file, struct.pack("=q", time.monotonic_ns()))
                writer.write(RESPONSE)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, address, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
