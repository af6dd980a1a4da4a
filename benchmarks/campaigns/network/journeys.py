"""Journeys of the campaign: one for each protocol."""

from collections.abc import Generator, Iterator
from typing import Any

from straingauge import FilePart, Upload, User, WebSocket

BIG_BYTES = 4_000_000
"""More than the buffers of the sockets and the proxy hold."""


def hello(user: User) -> Iterator[Any]:
    """Request a small response."""
    yield user.get("/hello")


def upload(user: User) -> Iterator[Any]:
    """Send a large body."""
    yield user.post("/hello", upload=Upload({}, {"file": FilePart(bytes(BIG_BYTES))}))


def events(user: User) -> Iterator[Any]:
    """Read an event stream to its end."""
    yield user.get("/events", stream="sse")


def echo(user: User) -> Generator[Any, Any, None]:
    """Open a WebSocket, and wait for the response to a message."""
    socket: WebSocket = yield user.websocket("/ws")
    yield socket.send("hello")
    yield socket.receive()
    yield socket.close()
