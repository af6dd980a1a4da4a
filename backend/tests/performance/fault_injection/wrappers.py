"""Wrappers around the real service that inject a fault without changing `app/`."""

import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

from app.main import create_app
from app.settings import get_settings
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Handler = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
"""Handles an HTTP request, usually by calling the service."""


class _FaultMiddleware:
    """ASGI middleware that passes HTTP requests to a handler."""

    def __init__(self, app: ASGIApp, handler: Handler) -> None:
        self._app = app
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._handler(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def wrap(handler: Handler) -> FastAPI:
    """Create the service with `handler` inside its middleware, so log and timings include it."""
    app = create_app()
    app.user_middleware.append(Middleware(_FaultMiddleware, handler=handler))
    return app


def with_settings(**settings: Any) -> FastAPI:  # noqa: ANN401 -- each setting has its own type
    """Create the service with settings that are not validated."""
    changed = get_settings().model_copy(update=settings)
    # Explicitly set fields are passed to the job worker, which would reject invalid ones.
    changed.model_fields_set.difference_update(settings)
    return create_app(changed)


def chance(probability: float) -> Callable[[], bool]:
    """Return a function that returns True with this probability, in a reproducible sequence."""
    rng = random.Random(probability)  # random, so as not to be in phase with the load
    return lambda: rng.random() < probability


def is_read(scope: Scope) -> bool:
    """Match requests that read clinical data."""
    path: str = scope["path"]
    return scope["method"] == "GET" and path.startswith("/api/")


def is_list(scope: Scope) -> bool:
    """Match requests for the list of sessions."""
    request: tuple[str, str] = scope["method"], scope["path"]
    return request == ("GET", "/api/sessions/")


def is_session(scope: Scope) -> bool:
    """Match requests for one session."""
    path: str = scope["path"]
    return scope["method"] == "GET" and re.fullmatch("/api/sessions/[^/]+", path) is not None


def is_upload(scope: Scope) -> bool:
    """Match uploads."""
    path: str = scope["path"]
    return path == "/api/sessions/upload"


async def drain(receive: Receive) -> None:
    """Read the whole request body, as the real endpoint does."""
    while (await receive()).get("more_body"):
        pass


class BufferedResponse:
    """ASGI `send` callable that buffers a response, so that it can be changed.

    ::

        response = BufferedResponse()
        await app(scope, receive, response)
        response.body = ...
        await response.send_to(send)
    """

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        """Buffer a message."""
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    @property
    def status(self) -> int:
        """Status code of the response."""
        status: int = self.start["status"]
        return status

    def set_header(self, name: bytes, value: bytes | None) -> None:
        """Set a header; None removes it."""
        others = [pair for pair in self.start["headers"] if pair[0].lower() != name]
        self.start["headers"] = others if value is None else [*others, (name, value)]

    async def send_to(self, send: Send) -> None:
        """Send the response with a matching Content-Length."""
        self.set_header(b"content-length", b"%d" % len(self.body))
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})
