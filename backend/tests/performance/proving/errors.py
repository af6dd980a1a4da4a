"""Services that answer wrongly."""

from http import HTTPStatus

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.proving.planting import Kept, chance, is_read, is_upload, planted


def errors_500() -> FastAPI:
    """3 % of the reads end in an internal error."""
    hit = chance(0.03)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and hit():
            await _error(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return planted(answer)


def uploads_422() -> FastAPI:
    """Each upload is refused as if it were malformed."""

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_upload(scope):
            while (await receive()).get("more_body"):
                pass  # the client is heard out, as the real endpoint does
            await _error(HTTPStatus.UNPROCESSABLE_ENTITY)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return planted(answer)


def error_in_200() -> FastAPI:
    """4 % of the reads say 200 and hold an error message."""
    hit = chance(0.04)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if is_read(scope) and hit():
            body = {"error": {"code": "internal_error", "message": "Something went wrong."}}
            await JSONResponse(body)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return planted(answer)


def json_cut() -> FastAPI:
    """4 % of the reads end in the middle of their JSON, with a Content-Length to match."""
    hit = chance(0.04)

    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_read(scope) or not hit():
            await app(scope, receive, send)
            return
        kept = Kept()
        await app(scope, receive, kept)
        kept.body = kept.body[: len(kept.body) // 2]
        await kept.pass_on(send)

    return planted(answer)


def _error(status: HTTPStatus) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": status.name.lower(), "message": status.phrase, "request_id": ""}}, status
    )
