"""One error base, one handler, one JSON shape.

    {"error": {"code": "not_found", "message": "...", "request_id": "..."}}

Validation errors add `details`: what was wrong, and where. The tree:

    AppError
      BadRequest 400   Unauthorized 401   Forbidden 403   NotFound 404   Conflict 409
      PayloadTooLarge 413   UnsupportedMedia 415   Unprocessable 422   RateLimited 429
      Unavailable 503
"""

from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from app.context import current_request


class AppError(Exception):
    """Base of all errors the service answers with; the message is shown to the client."""

    status_code = 500
    code = "internal_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: list[dict[str, Any]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.headers = headers
        if code is not None:
            self.code = code


class BadRequest(AppError):
    """400: the request makes no sense as it is."""

    status_code = 400
    code = "bad_request"


class Unauthorized(AppError):
    """401: no valid token."""

    status_code = 401
    code = "unauthorized"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    """403: a valid token, of the wrong role."""

    status_code = 403
    code = "forbidden"


class NotFound(AppError):
    """404: not there, or not the caller's."""

    status_code = 404
    code = "not_found"


class Conflict(AppError):
    """409: the thing is not in the state for this."""

    status_code = 409
    code = "conflict"


class PayloadTooLarge(AppError):
    """413: more bytes than allowed."""

    status_code = 413
    code = "payload_too_large"


class UnsupportedMedia(AppError):
    """415: not a type that is taken."""

    status_code = 415
    code = "unsupported_media_type"


class Unprocessable(AppError):
    """422: well formed, but not valid; `details` say what."""

    status_code = 422
    code = "validation_error"


class RateLimited(AppError):
    """429: too many requests; `Retry-After` says when the next is served."""

    status_code = 429
    code = "rate_limited"


class Unavailable(AppError):
    """503: the service cannot answer now; worth trying again after `Retry-After` seconds."""

    status_code = 503
    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, code=code, headers={"Retry-After": str(retry_after_s)})


_CODES = {401: "unauthorized", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}

# How PostgreSQL says, on a connection that was good, that it is going away or full.
GOING_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
)


def error_response(error: AppError) -> Response:
    """The one JSON shape of every error."""
    context = current_request.get()
    body: dict[str, Any] = {
        "code": error.code,
        "message": error.message,
        "request_id": context.request_id if context is not None else None,
    }
    if error.details is not None:
        body["details"] = error.details
    return Response(
        orjson.dumps({"error": body}),
        status_code=error.status_code,
        headers=error.headers,
        media_type="application/json",
    )


def as_app_error(error: Exception) -> AppError | None:
    """Translate what frameworks and drivers raise; None for an error nobody foresaw."""
    match error:
        case AppError():
            return error
        case RequestValidationError():
            return _validation_error(error)
        case HTTPException():
            translated = AppError(
                str(error.detail), code=_CODES.get(error.status_code, "http_error")
            )
            translated.status_code = error.status_code
            translated.headers = error.headers
            return translated
        case DBAPIError() if error.connection_invalidated or _is_going_away(error):
            return database_away()
        case _ if isinstance(error, GOING_AWAY):
            return database_away()
    return None


def database_away() -> Unavailable:
    """The answer of every endpoint that needs the database while it is away."""
    return Unavailable("The database is away.", code="database_unavailable")


def _is_going_away(error: DBAPIError) -> bool:
    # SQLAlchemy wraps asyncpg's error in one of its own, and keeps it as the cause.
    return isinstance(getattr(error.orig, "__cause__", None), GOING_AWAY)


def _validation_error(error: RequestValidationError) -> AppError:
    # Without `input`: an answer (and a log) never repeats a password or a transcript.
    details = [
        {"where": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in error.errors()
    ]
    return Unprocessable("The request is not valid.", details=details)


async def _handle(_request: Request, error: Exception) -> Response:
    translated = as_app_error(error)
    if translated is None:
        raise error
    return error_response(translated)


def install(app: FastAPI) -> None:
    """Answer every foreseen error in the one shape; the rest reach the middleware's 500."""
    for kind in (AppError, HTTPException, RequestValidationError, DBAPIError, *GOING_AWAY):
        app.add_exception_handler(kind, _handle)
