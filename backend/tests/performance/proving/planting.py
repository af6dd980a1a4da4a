"""The real service with something planted in it: a wrapper or a setting, nothing inside `app/`."""

import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

from app.main import create_app
from app.settings import get_settings
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Answer = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
"""Answers one HTTP request, mostly by having the service do so."""


class _Planted:
    """Has each HTTP request answered by `answer`; all else goes to the service."""

    def __init__(self, app: ASGIApp, answer: Answer) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def planted(answer: Answer) -> FastAPI:
    """The service with `answer` where its own code is: within its log, its times and its ids."""
    app = create_app()
    app.user_middleware.append(Middleware(_Planted, answer=answer))
    return app


def set_to(**settings: Any) -> FastAPI:  # noqa: ANN401 -- each setting has a type of its own
    """The service with settings that need not be such as an operator could choose."""
    changed = get_settings().model_copy(update=settings)
    # What counts as set is handed on to the job worker, which would refuse such settings.
    changed.model_fields_set.difference_update(settings)
    return create_app(changed)


def chance(share: float) -> Callable[[], bool]:
    """Says yes to this share of the times it is asked, the same ones in each run."""
    generator = random.Random(share)  # by chance, so that it is in step with no load
    return lambda: generator.random() < share


def is_read(scope: Scope) -> bool:
    """Whether somebody reads clinical data."""
    path: str = scope["path"]
    return scope["method"] == "GET" and path.startswith("/api/")


def is_list(scope: Scope) -> bool:
    """Whether somebody opens the list of sessions."""
    asked: tuple[str, str] = scope["method"], scope["path"]
    return asked == ("GET", "/api/sessions/")


def is_session(scope: Scope) -> bool:
    """Whether somebody reads one session."""
    path: str = scope["path"]
    return scope["method"] == "GET" and re.fullmatch("/api/sessions/[^/]+", path) is not None


def is_upload(scope: Scope) -> bool:
    """Whether somebody uploads a recording."""
    path: str = scope["path"]
    return path == "/api/sessions/upload"


class Kept:
    """What the service sends, held back to be changed before it goes out.

    ::

        kept = Kept()
        await app(scope, receive, kept)
        kept.body = ...
        await kept.pass_on(send)
    """

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        """Take a message in."""
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")

    @property
    def status(self) -> int:
        """The status of the answer."""
        status: int = self.start["status"]
        return status

    def set_header(self, name: bytes, value: bytes | None) -> None:
        """Replace a header, or add it; None removes it."""
        others = [pair for pair in self.start["headers"] if pair[0].lower() != name]
        self.start["headers"] = others if value is None else [*others, (name, value)]

    async def pass_on(self, send: Send) -> None:
        """Send the answer as it is now."""
        self.set_header(b"content-length", b"%d" % len(self.body))
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body})
