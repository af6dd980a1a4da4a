"""Routes that refuse a request whose meaning depends on who reads it.

Of a value that is sent twice, one reader takes the first and another the last, so the value that is
checked may not be the one that is used (CWE-235). A value may be repeated with no difference only:
in the query, as a JSON key, or across path, query and body. JSON must be that of RFC 8259: no NaN,
no lone surrogates (which no database stores), and only UTF-8.
"""

import json
import uuid
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.requests import ClientDisconnect

from app.errors import BadRequest
from app.middleware.rate_limit import LimitedRoute

_SHOWN_NAME = 100


class StrictRequest(Request):
    """A request with a JSON body that was parsed by `parse_json`."""

    parsed: Any = None

    async def json(self) -> Any:  # noqa: ANN401 -- Starlette's
        """Return the parsed body."""
        return self.parsed


class StrictRoute(LimitedRoute):
    """The route class of all endpoints with parameters, which are also rate limited."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler in the checks.

        Raises:
            RequestValidationError: A value is given twice and differs, or the JSON is invalid.
        """
        handler = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle(request: Request) -> Response:
            scope = request.scope
            if not takes_body:
                if scope["query_string"]:
                    check_unique(_parameters(request))
                return await handler(request)
            strict = StrictRequest(scope, request.receive)
            parameters = _parameters(strict)
            if _is_json(strict):
                strict.parsed = await _read_json(strict)
                if isinstance(strict.parsed, dict) and parameters:
                    parameters += [("body", *item) for item in strict.parsed.items()]
            check_unique(parameters)
            return await handler(strict)

        return handle


def check_unique(values: Iterable[tuple[str, str, Any]]) -> None:
    """Check that each name has one value.

    Args:
        values: Where each value was found, its name and the value. The same id may be spelt in
            several ways.

    Raises:
        RequestValidationError: A name has two values; the error has where the second was found.
    """
    seen: dict[str, Any] = {}
    for where, name, value in values:
        if name in seen and not _are_equal(seen[name], value):
            raise repeated_value(where, name)
        seen[name] = value


def repeated_value(where: str, name: str) -> RequestValidationError:
    """Create the error for a value that is given twice."""
    return _invalid((where, name[:_SHOWN_NAME]), "given_twice", "Given twice, with a difference")


def parse_json(body: bytes) -> Any:  # noqa: ANN401 -- any JSON value
    """Parse a JSON body.

    Raises:
        RequestValidationError: It is not JSON, or an object has a key twice with a difference.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _invalid(
            ("body", str(error.pos)), "json_invalid", f"Invalid JSON: {error.msg}"
        ) from None
    try:
        # orjson keeps the last of equal keys. Numbers are compared as they are written.
        json.loads(body, object_pairs_hook=_object, parse_int=_number, parse_float=_number)
    except RecursionError:
        raise _invalid(("body",), "json_invalid", "The JSON is nested too deeply") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    items = dict(pairs)
    if len(items) != len(pairs):
        check_unique(("body", *pair) for pair in pairs)
    return items


def _number(text: str) -> tuple[str, str]:
    return ("number", text)


def _parameters(request: Request) -> list[tuple[str, str, Any]]:
    """List the values of path and query."""
    values: list[tuple[str, str, Any]] = [
        ("path", name, value) for name, value in request.path_params.items()
    ]
    if request.scope["query_string"]:
        values += [("query", *item) for item in request.query_params.multi_items()]
    return values


def _is_json(request: Request) -> bool:
    """Return true for the media types that FastAPI parses as JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    main, _, subtype = media_type.partition("/")
    return main == "application" and (subtype == "json" or subtype.endswith("+json"))


async def _read_json(request: Request) -> Any:  # noqa: ANN401 -- any JSON value
    try:
        body = await request.body()
    except ClientDisconnect:
        raise BadRequest("The request was aborted.", code="request_aborted") from None
    return parse_json(body) if body else None


def _are_equal(one: object, other: object) -> bool:
    return one == other or (_as_id(one) or one) == (_as_id(other) or other)


def _as_id(value: object) -> uuid.UUID | None:
    if not isinstance(value, str | uuid.UUID):
        return None
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


def _invalid(location: tuple[str, ...], kind: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": location, "msg": message}])
