"""Services that do not keep their connections."""

import socket
import struct

from app.main import create_app
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.proving.planting import chance, planted

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


def resets() -> ASGIApp:
    """3 % of the requests to the API end with their connection reset."""
    app = create_app()
    hit = chance(0.03)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and hit():
            transport = send.__self__.transport  # type: ignore[attr-defined]  # uvicorn's own
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE
            )
            transport.abort()
        else:
            await app(scope, receive, send)

    return answer


def keep_alive_off() -> FastAPI:
    """Each answer ends its connection."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app(scope, receive, closing)

    return planted(answer)
