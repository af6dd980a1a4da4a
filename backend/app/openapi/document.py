"""Builder of `/openapi.json`.

FastAPI describes parameters and bodies from the signatures of the endpoints. This adds what it
cannot see: security, the errors of the service in their real format, headers, and the operations
outside `/api`.
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from app.auth.dependencies import current_user
from app.clinical import current_therapist
from app.database import database_session
from app.errors import (
    BadRequest,
    Conflict,
    HeadersTooLarge,
    InternalError,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    TargetTooLong,
    Unavailable,
    Unprocessable,
)
from app.health import document as health
from app.openapi.responses import (
    ACCOUNT,
    BEARER,
    BODY,
    CLINICAL,
    EVERY_RESPONSE,
    HEADERS,
    RATE_LIMIT_HEADERS,
    ErrorResponse,
    Responses,
    ValidationErrorResponse,
    component_responses,
    declare,
    header_refs,
)
from app.strict_route import StrictRoute

_DESCRIPTION = """\
Accounts, patients, sessions, audio, transcription and notes for therapists.

- **Accounts.** Sign up, log in, and send the access token as `Authorization: Bearer <token>`. A
  therapist has access to records that they created; those of others are a 404. The roles patient
  and admin get a 403 from clinical operations.
- **Errors** are JSON: `{"error": {"code", "message", "request_id"}}`, and `details` in a 422.
- **Repeated values.** A value that is sent twice with a difference, in path, query, JSON or form,
  is a 422.
- **Lists** have pages. The `Link` header of a page has the path of the next one.
- **Rate limits.** `RateLimit-*` headers say what is left; a 429 has `Retry-After`.
- **Slashes.** A path with a slash at its end too many or too few is a 307 to the right one.
- **HEAD** is served by `/`, `/live`, `/ready`, `/health`, `/metrics` and for recordings. Any other
  method that is not listed here is a 405 whose `Allow` lists those that are.
- **Times** have an offset (RFC 3339). In requests, UTC is assumed if it is missing.
"""
_EVERY_OPERATION = (
    BadRequest,
    MethodNotAllowed,
    RequestTimeout,
    PayloadTooLarge,
    TargetTooLong,
    HeadersTooLarge,
    InternalError,
    Unavailable,
)
_TAGS = [
    {"name": "auth", "description": "Accounts and tokens."},
    {"name": "patients", "description": "The caller's patients."},
    {"name": "sessions", "description": "Recordings and their transcripts."},
    {"name": "notes", "description": "Notes extracted from transcripts."},
    {"name": "health", "description": "Probes and metrics, without a token or rate limits."},
]
_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a log-in or refresh.",
    }
}


def install(application: FastAPI) -> None:
    """Make the application serve the complete document; it is built on first use."""

    def openapi() -> dict[str, Any]:
        if application.openapi_schema is None:
            application.openapi_schema = build(application)
        return application.openapi_schema

    application.openapi = openapi  # type: ignore[method-assign]  # FastAPI documents this


def build(application: FastAPI) -> dict[str, Any]:
    """Build the document from the routes of the application."""
    document = get_openapi(
        title=application.title,
        version=application.version,
        description=_DESCRIPTION,
        tags=_TAGS,
        routes=application.routes,
    )
    paths: dict[str, dict[str, Any]] = document["paths"]
    for route in application.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                _complete(paths[route.path_format][method.lower()], route)
    paths |= health.paths()
    for operation in operations(document):
        _add_common(operation)
    components = document.setdefault("components", {})
    components["securitySchemes"] = _SECURITY_SCHEMES
    components["headers"] = HEADERS
    components["responses"] = component_responses()
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's, which are not sent
        schemas.pop(unused, None)
    schemas |= health.schemas()
    for model in (ErrorResponse, ValidationErrorResponse):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
    components["schemas"] = dict(sorted(schemas.items()))
    return document


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the operations of a document."""
    for item in document["paths"].values():
        yield from item.values()


def derived_responses(route: APIRoute) -> Responses:
    """Return the error responses that follow from the dependencies and the body of a route."""
    calls = set(_calls(route.dependant))
    responses: Responses = {}
    if isinstance(route, StrictRoute):
        responses |= declare(Unprocessable)
    if database_session in calls:
        responses |= declare(Unavailable)
        if not (route.methods or set()) <= {"GET", "HEAD"}:
            responses |= declare(Conflict)
    if current_user in calls:
        responses |= declare(*ACCOUNT)
    if current_therapist in calls:
        responses |= declare(*CLINICAL)
    if route.body_field is not None:
        responses |= declare(*BODY)
    if route.dependant.path_params:
        responses |= declare(NotFound)
    return responses


def _calls(dependant: Dependant) -> Iterator[object]:
    for each in dependant.dependencies:
        yield each.call
        yield from _calls(each)


def _complete(operation: dict[str, Any], route: APIRoute) -> None:
    """Add to an operation of FastAPI what its dependencies imply."""
    derived = {str(status): response for status, response in derived_responses(route).items()}
    responses = operation["responses"]
    if "422" in responses and "$ref" not in responses["422"]:
        del responses["422"]  # FastAPI's format
    responses |= derived
    if {current_user, current_therapist} & set(_calls(route.dependant)):
        operation["security"] = BEARER


def _add_common(operation: dict[str, Any]) -> None:
    """Add the errors of every operation, and the headers of its successful responses."""
    responses = operation["responses"]
    common = {str(code): response for code, response in declare(*_EVERY_OPERATION).items()}
    responses |= {code: each for code, each in common.items() if code not in responses}
    for status, response in responses.items():
        if "$ref" in response:
            responses[status] = {"$ref": response["$ref"]}  # FastAPI adds a description
            continue
        limited = RATE_LIMIT_HEADERS if "429" in responses else ()
        headers = response.setdefault("headers", {})
        response["headers"] = header_refs((*EVERY_RESPONSE, *limited)) | headers
    operation["responses"] = dict(sorted(responses.items()))
