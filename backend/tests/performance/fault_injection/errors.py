"""Faults in the responses."""

from http import HTTPStatus

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import (
    BufferedResponse,
    chance,
    drain,
    is_read,
    is_upload,
    wrap,
)


def errors_500() -> FastAPI:
    """Return an internal error for 3 % of the reads."""
    is_affected = chance(0.03)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and is_affected():
            await _error(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrap(handler)


def uploads_422() -> FastAPI:
    """Reject uploads as malformed."""

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope):
            await drain(receive)
            await _error(HTTPStatus.UNPROCESSABLE_ENTITY)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrap(handler)


def error_in_200() -> FastAPI:
    """Return an error message with status 200 for 4 % of the reads."""
    is_affected = chance(0.04)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and is_affected():
            body = {"error": {"code": "internal_error", "message": "Something went wrong."}}
            await JSONResponse(body)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return wrap(handler)


def truncated_json() -> FastAPI:
    """Truncate the JSON of 4 % of the reads, with a matching Content-Length."""
    is_affected = chance(0.04)

    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_read(scope) or not is_affected():
            await app(scope, receive, send)
            return
        response = BufferedResponse()
        await app(scope, receive, response)
        response.body = response.body[: len(response.body) // 2]
        await response.send_to(send)

    return wrap(handler)


def _error(status: HTTPStatus) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": status.name.lower(), "message": status.phrase, "request_id": ""}}, status
    )
