"""A small real HTTP service in a separate process, which counts requests by path.

/anything      200
/timed         200, with Server-Timing
/status/503    that status
/login         200 for the password "correct horse", else 401
/redirect/x    307 to /x
/counts        the counts so far, as JSON
/metrics       metrics of a pool, as Prometheus text
"""

import asyncio
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

METRICS = """# TYPE db_pool_in_use gauge
db_pool_size{pid="1"} 3
db_pool_size{pid="2"} 4
db_pool_in_use{pid="1"} 0
db_pool_in_use{pid="2"} 0
db_pool_wait_seconds_count 0
db_pool_wait_seconds_sum 0
db_pool_timeouts_total 0
"""
TIMING = "Server-Timing: db;dur=0.02, app;dur=0.01\r\n"


class Service:
    """The service as a test sees it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.port = int(process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"

    def counts(self) -> Counter[str]:
        """Return the number of requests by path."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/counts")
        found = Counter(json.loads(connection.getresponse().read()))
        connection.close()
        return found


@contextmanager
def counting_service() -> Iterator[Service]:
    """Run the service."""
    command = [sys.executable, str(Path(__file__))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Service(process)
        finally:
            process.kill()


async def _serve(counts: Counter[str]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                path = head.split(" ", 2)[1]
                status, answer = _answer(path, body, counts)
                timing = TIMING if path == "/timed" else ""
                if path.startswith("/redirect/"):
                    status, timing = 307, f"Location: {path.removeprefix('/redirect')}\r\n"
                start = f"HTTP/1.1 {status} Word\r\n{timing}Content-Length: {len(answer)}\r\n\r\n"
                writer.write(start.encode() + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _answer(path: str, body: bytes, counts: Counter[str]) -> tuple[int, bytes]:
    if path == "/counts":
        return 200, json.dumps(counts).encode()
    if path == "/metrics":
        return 200, METRICS.encode()
    counts[path] += 1
    if path == "/login":
        given = json.loads(body)["password"] == "correct horse"
        return (200, b'{"token": "eyJhbGciOiJub25lIn0.secretsecret.x"}') if given else (401, b"{}")
    if path.startswith("/status/"):
        return int(path.rpartition("/")[2]), b"{}"
    return 200, b"{}"


if __name__ == "__main__":
    asyncio.run(_serve(Counter()))
