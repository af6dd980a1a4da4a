"""Faults in the handling of connections."""

import socket
import struct

from app.main import create_app
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import chance, wrap

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


def resets() -> ASGIApp:
    """Reset the connection of 3 % of the requests to the API."""
    app = create_app()
    is_affected = chance(0.03)

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/api/") and is_affected():
            transport = send.__self__.transport  # type: ignore[attr-defined]  # of uvicorn
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE
            )
            transport.abort()
        else:
            await app(scope, receive, send)

    return handler


def keep_alive_off() -> FastAPI:
    """Close the connection after each response."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app(scope, receive, send_and_close)

    return wrap(handler)
