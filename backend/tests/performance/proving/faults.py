"""TherapyBridge with one defect each, to see the load tests find it.

uvicorn tests.performance.proving.faults:uploads_422

The service is the real one: a defect is a setting no operator could choose, or a wrapper.
"""

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus

from app.main import create_app
from app.settings import get_settings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Answer = Callable[[], JSONResponse]


def uploads_422() -> ASGIApp:
    """Each upload is refused as if it were malformed."""
    return _uploads_answered(lambda: _error(HTTPStatus.UNPROCESSABLE_ENTITY))


def uploads_not_stored() -> ASGIApp:
    """Each upload is acknowledged and thrown away."""
    return _uploads_answered(
        lambda: JSONResponse({"id": str(uuid.uuid4()), "status": "uploading"}, status_code=202)
    )


def limiter_off() -> ASGIApp:
    """Nobody is ever refused."""
    return create_app(get_settings().model_copy(update={"rate_limit_enabled": False}))


def retry_after_gone() -> ASGIApp:
    """A refusal does not say when to come back."""
    app = create_app()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def without(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    pair for pair in message["headers"] if pair[0].lower() != b"retry-after"
                ]
            await send(message)

        await app(scope, receive, without)

    return wrapped


def reads_500() -> ASGIApp:
    """Every 33rd read, 3 % of them, ends in an internal error."""
    app = create_app()
    reads = 0

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal reads
        if scope["type"] == "http" and scope["method"] == "GET" and "/api/" in scope["path"]:
            reads += 1
            if reads % 33 == 0:
                await _error(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)
                return
        await app(scope, receive, send)

    return wrapped


def small_pool() -> ASGIApp:
    """Two database connections and no more, fewer than the settings allow."""
    return create_app(get_settings().model_copy(update={"db_pool_size": 2, "db_max_overflow": 0}))


def leak() -> ASGIApp:
    """300 kB of each request are never given back."""
    return _keeping(300_000)


def small_leak() -> ASGIApp:
    """40 kB of each request are never given back: no limit is near, but it does not stop."""
    return _keeping(40_000)


def uploads_altered() -> ASGIApp:
    """One bit of each recording is another when it is fetched again."""
    app = create_app()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def with_a_bit_turned(message: Message) -> None:
            if message.get("body") and scope["path"].endswith("/audio"):
                first, *rest = message["body"]
                message = {**message, "body": bytes([first ^ 1, *rest])}
            await send(message)

        await app(scope, receive, with_a_bit_turned)

    return wrapped


def ever_slower() -> ASGIApp:
    """Each second makes each read of sessions 10 ms slower."""
    app = create_app()
    first_at_s: float | None = None

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal first_at_s
        if scope["type"] == "http" and scope["path"].startswith("/api/sessions"):
            now_s = time.monotonic()
            first_at_s = first_at_s or now_s
            await asyncio.sleep(0.01 * (now_s - first_at_s))
        await app(scope, receive, send)

    return wrapped


def _keeping(size_bytes: int) -> ASGIApp:
    app = create_app()
    kept: list[bytes] = []

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept.append(os.urandom(1) * size_bytes)  # written to, or the system would not count it
        await app(scope, receive, send)

    return wrapped


def _uploads_answered(answer: Answer) -> ASGIApp:
    app = create_app()

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/api/sessions/upload":
            await app(scope, receive, send)
            return
        async for _ in Request(scope, receive).stream():
            pass  # the client is heard out, as the real endpoint does
        await answer()(scope, receive, send)

    return wrapped


def _error(status: HTTPStatus) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": status.name.lower(), "message": status.phrase, "request_id": ""}}, status
    )
