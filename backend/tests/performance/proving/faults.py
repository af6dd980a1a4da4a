"""TherapyBridge with one defect each, to see the load tests find it.

uvicorn tests.performance.proving.faults:uploads_422

The service is the real one: a defect is a setting no operator could choose, or a wrapper.
"""

import os
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
    app = create_app()
    kept: list[bytes] = []

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept.append(os.urandom(1) * 300_000)  # written to, or the system would not count it
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
