"""Error responses and headers, declared once for the OpenAPI document.

    @router.post("/{session_id:uuid}/extract-notes", responses=declare(Conflict))

`app.openapi.document` adds the errors that follow from dependencies and parameters.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, Field

from app.errors import (
    AppError,
    BadRequest,
    Conflict,
    Forbidden,
    HeadersTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RangeNotSatisfiable,
    RateLimited,
    RequestTimeout,
    TargetTooLong,
    Unauthorized,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)

Responses = dict[int | str, dict[str, Any]]

ACCOUNT = (Unauthorized, RateLimited, Unavailable)
"""Errors of every operation that requires a token."""
CLINICAL = (*ACCOUNT, Forbidden)
"""Errors of every operation on clinical records."""
BODY = (BadRequest, UnsupportedMedia, Unprocessable)
"""Errors of every operation that takes a body."""
BEARER: list[dict[str, list[str]]] = [{"bearer": []}]
"""Security of every operation that requires a token."""


class ErrorDetail(BaseModel):
    """One invalid field of a request."""

    where: str = Field(description="Place and name of the field.", examples=["body.full_name"])
    message: str = Field(examples=["Field required"])


class Error(BaseModel):
    """Reason for an error."""

    code: str = Field(
        description="Name of the error for programs; it does not change.",
        pattern="^[a-z][a-z_]*$",
        examples=["not_found"],
    )
    message: str = Field(description="One or two sentences for people.")
    request_id: str | None = Field(description="The request's id, as in `X-Request-ID`.")


class ErrorResponse(BaseModel):
    """Body of every error response."""

    error: Error


class ValidationDetails(Error):
    """Reason for a 422, with the invalid fields."""

    details: list[ErrorDetail] = Field(description="The invalid fields, without their values.")


class ValidationErrorResponse(BaseModel):
    """Body of a 422."""

    error: ValidationDetails


def header(description: str, *, required: bool = True, **schema: object) -> dict[str, Any]:
    """Declare a response header."""
    return {"description": description, "required": required, "schema": {"type": "string"} | schema}


_COUNT = {"type": "integer", "minimum": 0}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": header(
        "Id of the request in the service's log: the client's `X-Request-ID`, if it has 1 to 64"
        " letters, digits, `.`, `_` or `-`; else a new one.",
        pattern="^[A-Za-z0-9._-]{1,64}$",
    ),
    "Server-Timing": header(
        "Milliseconds that the request waited for a database connection (`pool`), spent in the"
        " database (`db`) and elsewhere (`app`)."
    ),
    "WWW-Authenticate": header("The scheme to authenticate with.", const="Bearer"),
    "Allow": header("Methods that the path supports, separated by commas."),
    "Retry-After": header("Seconds to wait before the next attempt.", type="integer", minimum=1),
    "RateLimit-Limit": header(
        "Requests that one window admits. The three `RateLimit-` headers are absent if limits are"
        " disabled, or if the request failed before it was counted.",
        required=False,
        **_COUNT,
    ),
    "RateLimit-Remaining": header(
        "Requests that are left in this window.", required=False, **_COUNT
    ),
    "RateLimit-Reset": header(
        "Seconds to the end of this window.", required=False, type="integer", minimum=1
    ),
    "Link": header(
        'Path of the next page, as `<path>; rel="next"` (RFC 8288); absent on the last page. Its'
        " `cursor` is opaque and only valid for the same list.",
        required=False,
        pattern='^<[^<>]+>; rel="next"$',
    ),
    "Location": header("Path of the new resource.", format="uri-reference"),
    "ETag": header("The recording's SHA-256, in quotes.", pattern='^"[0-9a-f]{64}"$'),
    "Content-Range": header(
        "The bytes sent, and the size of the recording.",
        required=False,
        pattern=r"^bytes (\d+-\d+|\*)/\d+$",
    ),
    "Accept-Ranges": header("Ranges are supported.", const="bytes"),
    "Content-Disposition": header("A file name for the recording."),
}
"""All headers of responses that the document declares, by name."""

RATE_LIMIT_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
EVERY_RESPONSE = ("X-Request-ID", "Server-Timing")

_ERROR_HEADERS: dict[type[AppError], tuple[str, ...]] = {
    Unauthorized: ("WWW-Authenticate",),
    MethodNotAllowed: ("Allow",),
    RangeNotSatisfiable: ("Content-Range",),
    RateLimited: ("Retry-After",),
    Unavailable: ("Retry-After",),
}
ERRORS: tuple[type[AppError], ...] = (
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    Conflict,
    PayloadTooLarge,
    TargetTooLong,
    UnsupportedMedia,
    RangeNotSatisfiable,
    Unprocessable,
    RateLimited,
    HeadersTooLarge,
    InternalError,
    Unavailable,
)


def header_refs(names: Iterable[str]) -> dict[str, Any]:
    """Return references to declared headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def declare(*errors: type[AppError]) -> Responses:
    """Declare error responses of a router or an endpoint."""
    return {
        error.status_code: {"$ref": f"#/components/responses/{error.__name__}"} for error in errors
    }


def succeed(status_code: int, *header_names: str) -> Responses:
    """Declare headers of a successful response."""
    return {status_code: {"headers": header_refs(header_names)}}


def component_responses() -> dict[str, Any]:
    """Return the declarations that `declare` refers to, by name."""
    return {error.__name__: _component(error) for error in ERRORS}


def _component(error: type[AppError]) -> dict[str, Any]:
    # The docstrings begin with the status: "404: the resource does not exist ...".
    summary = (error.__doc__ or "").partition("\n")[0].partition(": ")[2]
    body = ValidationErrorResponse if error is Unprocessable else ErrorResponse
    return {
        "description": summary[:1].upper() + summary[1:],
        "headers": header_refs((*EVERY_RESPONSE, *_ERROR_HEADERS.get(error, ()))),
        "content": {
            "application/json": {"schema": {"$ref": f"#/components/schemas/{body.__name__}"}}
        },
    }
