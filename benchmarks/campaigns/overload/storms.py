"""The clients that overload the service. Several processes run one storm together.

    python -m campaigns.overload.storms NAME PORT COUNT SECONDS TOKEN PATIENT

Prints a JSON object with the number of each outcome.
"""

import asyncio
import json
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

HOST = "127.0.0.1"
EMAIL, PASSWORD = "overload@example.com", "Overload-2026-test"
CONNECTING_AT_ONCE = 200
"""Of each process; the queue of a listening socket holds 4,096 at most."""
UPLOAD_BYTES = 1_000_000
SLOW_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Target:
    """Port, duration and account of a storm."""

    port: int
    seconds: float
    token: str
    patient: str


Client = Callable[[Target, asyncio.Semaphore], Awaitable[str]]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _open(target: Target, gate: asyncio.Semaphore) -> Streams:
    async with gate:
        return await asyncio.open_connection(HOST, target.port)


async def hold(target: Target, gate: asyncio.Semaphore) -> str:
    """Send one request, and keep the connection open until the end."""
    ends_s = time.monotonic() + target.seconds
    reader, writer = await _open(target, gate)
    writer.write(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    status = await _status(reader)
    with suppress(TimeoutError):
        async with asyncio.timeout(max(ends_s - time.monotonic(), 0.0)):
            while await reader.read(4096):
                pass
    writer.close()
    return status


async def log_in(target: Target, gate: asyncio.Semaphore) -> str:
    """Log in, and wait for the response."""
    reader, writer = await _open(target, gate)
    body = json.dumps({"email": EMAIL, "password": PASSWORD}).encode()
    head = (
        f"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    status = await _status(reader)
    writer.close()
    return status


async def trickle(target: Target, gate: asyncio.Semaphore) -> str:
    """Send the head of a request, a byte in each second (slowloris)."""
    ends_s = time.monotonic() + target.seconds
    reader, writer = await _open(target, gate)
    for byte in b"GET /live HTTP/1.1\r\nHost: localhost\r\nX-Slow: " + b"a" * 10_000:
        if time.monotonic() > ends_s or reader.at_eof():
            break
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(SLOW_INTERVAL_S)
    ended = "disconnected" if reader.at_eof() else "open to the end"
    writer.close()
    return ended


async def break_off(target: Target, gate: asyncio.Semaphore) -> str:
    """Send half of an upload, and reset the connection."""
    _, writer = await _open(target, gate)
    part = (
        '--b\r\nContent-Disposition: form-data; name="patient_id"\r\n\r\n'
        f'{target.patient}\r\n--b\r\nContent-Disposition: form-data; name="file";'
        ' filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n'
    ).encode()
    head = (
        f"POST /api/sessions/upload HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {target.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {UPLOAD_BYTES}\r\n\r\n"
    ).encode()
    half = b"\xff\xfb\x90\x64" + bytes(UPLOAD_BYTES // 2)
    writer.write(head + part + half)
    await writer.drain()
    await asyncio.sleep(target.seconds / 4)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return "broken off"


async def _status(reader: asyncio.StreamReader) -> str:
    line = await reader.readline()
    return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "no response"


STORMS: dict[str, Client] = {
    "connections": hold,
    "log-ins": log_in,
    "slowloris": trickle,
    "uploads": break_off,
}


async def run(client: Client, count: int, target: Target) -> Counter[str]:
    """Run this many clients at once; return their outcomes."""
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def outcome() -> str:
        try:
            return await client(target, gate)
        except OSError as error:
            return type(error).__name__

    return Counter(await asyncio.gather(*(outcome() for _ in range(count))))


if __name__ == "__main__":
    _, name, port, clients, duration, bearer, patient_id = sys.argv
    aim = Target(int(port), float(duration), bearer, patient_id)
    print(json.dumps(asyncio.run(run(STORMS[name], int(clients), aim))))
