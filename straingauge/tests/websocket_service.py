"""A WebSocket server whose paths behave in known ways, in a thread of the test process."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve, unix_serve
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol


async def behave(socket: ServerConnection) -> None:
    """Answer as the path says."""
    path = socket.request.path if socket.request else ""
    if path == "/echo":
        async for message in socket:
            await socket.send(message)
    elif path == "/slow":
        async for message in socket:
            await asyncio.sleep(0.05)
            await socket.send('{"id": 0}')
            await socket.send(message)
    elif path == "/leave":
        await socket.recv()
        await socket.close(4001, "enough")
    elif path == "/drop":
        await socket.recv()
        socket.transport.abort()
    elif path == "/ping":
        pong = await socket.ping()
        await pong
        await socket.send("pong received")
        await socket.wait_closed()
    elif path == "/large":
        await socket.send("a" * 2_000_000)
        await socket.wait_closed()
    elif path == "/broken":
        await socket.recv()
        frame = Frame(Opcode.CONT, b"a continuation of nothing").serialize(mask=False)
        socket.transport.write(frame)
        await socket.wait_closed()
    else:
        await socket.wait_closed()  # silent


def refuse(socket: ServerConnection, request: Request) -> Response | None:
    """Refuse the upgrade of one path."""
    if request.path == "/refused":
        answer = socket.respond(403, "not you")
        answer.headers["Set-Cookie"] = "refused=1"
        return answer
    return None


def set_cookie(_: ServerConnection, request: Request, response: Response) -> None:
    """Set a cookie with the answer of one path."""
    if request.path == "/cookie":
        response.headers["Set-Cookie"] = "session=abc"


def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Choose the subprotocol "chat", if it was offered."""
    return next((each for each in offered if each == "chat"), None)


@contextmanager
def serving(tls: ssl.SSLContext | None = None, path: Path | None = None) -> Iterator[str]:
    """Serve on a free port, or on a socket file; yield the base URL."""
    loop = asyncio.new_event_loop()
    started, stop = threading.Event(), asyncio.Event()
    ports: list[int] = []

    async def run() -> None:
        options: dict[str, Any] = {
            "ping_interval": None,
            "process_request": refuse,
            "process_response": set_cookie,
            "select_subprotocol": choose,
            "close_timeout": 0.2,
        }
        listening = (
            serve(behave, "127.0.0.1", 0, ssl=tls, **options)
            if path is None
            else unix_serve(behave, str(path), **options)
        )
        async with listening as server:
            name = next(iter(server.sockets)).getsockname()
            ports.append(80 if path is not None else name[1])
            started.set()
            await stop.wait()

    def main() -> None:
        with contextlib.closing(loop):
            loop.run_until_complete(run())

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    assert started.wait(10)
    yield f"http://127.0.0.1:{ports[0]}" if tls is None else f"https://localhost:{ports[0]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
