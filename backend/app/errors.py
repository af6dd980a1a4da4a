"""Errors, their exception handler and the JSON format of error responses.

    {"error": {"code": "not_found", "message": "...", "request_id": "..."}}

Validation errors add `details`, a list of `where` and `message`. The hierarchy:

    AppError
      BadRequest 400   Unauthorized 401   Forbidden 403   NotFound 404   MethodNotAllowed 405
      RequestTimeout 408   Conflict 409   PayloadTooLarge 413   TargetTooLong 414
      UnsupportedMedia 415   RangeNotSatisfiable 416   Unprocessable 422   RateLimited 429
      HeadersTooLarge 431   InternalError 500   Unavailable 503
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from app.context import current_request


class AppError(Exception):
    """Base of all errors that become a response. The message is shown to the client."""

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
    """400: the request is malformed."""

    status_code = 400
    code = "bad_request"


class Unauthorized(AppError):
    """401: the token is missing or invalid."""

    status_code = 401
    code = "unauthorized"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    """403: the account has the wrong role, or the client's address may not read this page."""

    status_code = 403
    code = "forbidden"


class NotFound(AppError):
    """404: the resource does not exist or belongs to another account."""

    status_code = 404
    code = "not_found"


class MethodNotAllowed(AppError):
    """405: the path does not support the method; `Allow` lists those it supports."""

    status_code = 405
    code = "method_not_allowed"


class Conflict(AppError):
    """409: the state of the resource does not allow the request."""

    status_code = 409
    code = "conflict"


class RequestTimeout(AppError):
    """408: the client has stopped to send."""

    status_code = 408
    code = "request_timeout"


class PayloadTooLarge(AppError):
    """413: the body is too large."""

    status_code = 413
    code = "payload_too_large"


class TargetTooLong(AppError):
    """414: path and query are too long."""

    status_code = 414
    code = "uri_too_long"


class UnsupportedMedia(AppError):
    """415: the media type is not supported."""

    status_code = 415
    code = "unsupported_media_type"


class RangeNotSatisfiable(AppError):
    """416: the range lies outside the recording; `Content-Range` has its size."""

    status_code = 416
    code = "range_not_satisfiable"


class Unprocessable(AppError):
    """422: the request is well-formed but invalid; `details` list the errors."""

    status_code = 422
    code = "validation_error"


class RateLimited(AppError):
    """429: too many requests; `Retry-After` has the seconds to wait."""

    status_code = 429
    code = "rate_limited"


class HeadersTooLarge(AppError):
    """431: the headers are too large or too many."""

    status_code = 431
    code = "headers_too_large"


class InternalError(AppError):
    """500: an unexpected failure; the service's log has the details under the request id."""


class Unavailable(AppError):
    """503: temporarily unavailable; `Retry-After` has the seconds to wait."""

    status_code = 503
    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, code=code, headers={"Retry-After": str(retry_after_s)})


_CODES = {error.status_code: error.code for error in AppError.__subclasses__()}


def error_response(error: AppError) -> Response:
    """Create the JSON response for an error."""
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
    """Convert an error of the framework; None for an unexpected error."""
    match error:
        case AppError():
            return error
        case RequestValidationError():
            return _validation_error(error)
        case HTTPException():
            converted = AppError(
                str(error.detail), code=_CODES.get(error.status_code, "http_error")
            )
            converted.status_code = error.status_code
            converted.headers = error.headers
            return converted
    return None


def _validation_error(error: RequestValidationError) -> AppError:
    # Without `input`, so that no password or transcript reaches a response or the log.
    details = [
        {"where": ".".join(str(part) for part in item["loc"]), "message": item["msg"]}
        for item in error.errors()
    ]
    return Unprocessable("The request is not valid.", details=details)


def _has_other_media_type(request: Request, error: RequestValidationError) -> bool:
    """Detect a body that was not parsed, because it is not declared as JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return False
    return any(item["loc"] == ("body",) and item["type"] != "missing" for item in error.errors())


def _allowed_methods(request: Request) -> set[str]:
    """Return the methods of all routes of a path; Starlette knows those of the first only."""
    return {
        method
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    }


async def _handle(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError) and _has_other_media_type(request, error):
        error = UnsupportedMedia("Send the body as application/json.")
    converted = as_app_error(error)
    if converted is not None and converted.status_code == MethodNotAllowed.status_code:
        converted.headers = {"Allow": ", ".join(sorted(_allowed_methods(request)))}
    if converted is None:
        raise error
    return error_response(converted)


def install(app: FastAPI) -> None:
    """Register the handler for all expected errors; the middleware handles the rest."""
    for error_type in (AppError, HTTPException, RequestValidationError):
        app.add_exception_handler(error_type, _handle)
