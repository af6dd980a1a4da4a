"""A service for tests of the profile: its loop computes, and each connection waits for a lock."""

import asyncio
import sys
import time


def compute() -> None:
    """Use 5 ms of CPU time."""
    end_s = time.thread_time() + 0.005
    while time.thread_time() < end_s:
        pass


async def wait_for(lock: asyncio.Lock) -> None:
    """Wait for a lock."""
    async with lock:
        await asyncio.sleep(3600)


async def main(port: int) -> None:
    """Listen on a port, and compute until the end."""
    lock = asyncio.Lock()
    server = await asyncio.start_server(lambda _reader, _writer: wait_for(lock), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        compute()
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
