"""Requests as bytes, each on its own connection, and the check of their responses."""

import http.client
import socket
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import unquote

import conformance

HOST = "127.0.0.1"
TIMEOUT_S = 60.0
"""Longer than the service waits for a client, so that no response within it is a hang."""
UNDOCUMENTED_PAGES = {"/openapi.json", "/docs", "/redoc"}
UNDOCUMENTED = "undocumented"
_SHOWN = 300


@dataclass(frozen=True)
class WireRequest:
    """A request as it is sent.

    Attributes:
        data: Head and body.
        method: The method.
        target: Path and query.
        is_plain: True if the request line is in the usual form, so that method and target say which
            operation it is.
        is_complete: False if the service may wait for more, so that no response is awaited.
    """

    data: bytes
    method: str
    target: str
    is_plain: bool = True
    is_complete: bool = True


@dataclass(frozen=True)
class Reply:
    """The response; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def exchange(port: int, request: WireRequest) -> Reply | None:
    """Send a request on a new connection; None if the connection is closed without a response.

    Raises:
        TimeoutError: Neither a response nor the end of the connection came within `TIMEOUT_S`.
        http.client.HTTPException: The response is not valid HTTP.
    """
    with closing(socket.create_connection((HOST, port), TIMEOUT_S)) as connection:
        with suppress(ConnectionError):  # refused before all was sent: the response says why
            connection.sendall(request.data)
        if not request.is_complete:
            return None
        with closing(http.client.HTTPResponse(connection, method=request.method)) as response:
            try:
                response.begin()
                body = response.read()
            except ConnectionError:  # also http.client's RemoteDisconnected
                return None
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, body)


def problem_of(request: WireRequest, reply: Reply | None) -> str | None:
    """Return what is wrong with a response; None if it is documented and not a 5xx."""
    if reply is None:
        return "no response" if request.is_complete else None
    if reply.status >= 500:
        return f"status {reply.status}: {reply.body[:_SHOWN]!r}"
    path = unquote(request.target.partition("?")[0])
    try:
        if request.is_plain and conformance.operation(request.method, path) is not None:
            conformance.check_reply(request.method, path, reply.status, reply.headers, reply.body)
        elif path not in UNDOCUMENTED_PAGES:
            _check_other(request, reply)
    except (AssertionError, ValueError) as error:
        return f"{UNDOCUMENTED}: {str(error)[:_SHOWN]}"
    return None


def _check_other(request: WireRequest, reply: Reply) -> None:
    """Check the response to a request that is no documented operation."""
    if reply.status < 400:
        is_known = not request.is_plain or _is_slash_redirect(request, reply)
        assert is_known, f"status {reply.status} for what is not in the document"
    elif request.method != "HEAD":
        schema = {"$ref": "#/components/schemas/ErrorResponse"}
        conformance.validate(conformance.parse(reply.body), schema)


def _is_slash_redirect(request: WireRequest, reply: Reply) -> bool:
    """Return true if a response leads to the path with a slash more or less at its end."""
    path = request.target.partition("?")[0].rstrip("/")
    location = reply.headers.get("location", "").partition("?")[0]
    return reply.status == 307 and location.rstrip("/") == path
