"""Outermost middleware: request id, client address, timing, security headers, log and metrics.

Plain ASGI with little work per request; it costs about ten microseconds.
"""

import itertools
import logging
import os
import re
from collections.abc import Iterator
from time import perf_counter_ns

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.client_address import TrustedProxies, client_address
from app.context import Header, RequestContext, current_request
from app.errors import InternalError, error_response
from app.logs import Logs
from app.metrics import record_request
from app.startup import without_traceback

logger = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
"""Headers of all responses. An endpoint can send its own `Cache-Control`."""

_valid_id = re.compile(rb"[A-Za-z0-9._-]{1,64}").fullmatch
_origin = re.compile(rb"\Ahttps?://[^/]*")


class RequestContextMiddleware:
    """ASGI middleware around the whole app.

    An unhandled exception is logged with the request id, and the response is a 500 in the JSON
    error format.
    """

    def __init__(self, app: ASGIApp, logs: Logs, proxies: TrustedProxies) -> None:
        self._app = app
        self._logs = logs
        self._proxies = proxies
        self._new_ids = new_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, without_traceback(send))
            return
        started_ns = perf_counter_ns()
        client = client_address(scope, receive, self._proxies)
        scope["client"] = (client, 0)  # also for uvicorn's access log
        context = RequestContext(_given_id(scope) or next(self._new_ids), client)
        token = current_request.set(context)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                if status in _REDIRECTS:
                    headers = [_without_host(header) for header in headers]
                security_headers = SECURITY_HEADERS
                for name, _ in headers:
                    if name == b"cache-control":
                        security_headers = SECURITY_HEADERS[:1]
                # A copy, because the response object that owns the list may be used again.
                message["headers"] = [
                    *headers,
                    *security_headers,
                    (b"x-request-id", context.request_id.encode()),
                    (b"server-timing", server_timing(context, perf_counter_ns() - started_ns)),
                    *context.headers,
                ]
            await send(message)

        try:
            try:
                await self._app(scope, receive, send_with_headers)
            except Exception:
                logger.exception("unhandled error")
                if status:
                    raise  # the response has started: only closing the connection is left
                await _internal_error()(scope, receive, send_with_headers)
        finally:
            self._record(scope, context, status or 499, perf_counter_ns() - started_ns)
            current_request.reset(token)

    def _record(self, scope: Scope, context: RequestContext, status: int, total_ns: int) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        route = _route(scope)
        record_request(method, route, status, total_ns / 1e9)
        access = self._logs.access
        if access is not None:
            access.write(context, method, route, status, total_ns)


def _route(scope: Scope) -> str:
    """Return the path template of the matched route."""
    route = scope.get("route")
    if route is not None:
        return str(route.path_format)  # without the type of a parameter
    is_fixed = "endpoint" in scope and not scope["path_params"]
    return str(scope["path"]) if is_fixed else "unmatched"


def _without_host(header: Header) -> Header:
    """Make a `Location` relative, because its host is that of the request, which may be forged."""
    name, value = header
    return (name, _origin.sub(b"", value)) if name == b"location" else header


def _given_id(scope: Scope) -> str | None:
    """Return the client's X-Request-Id if it is valid."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _valid_id(value):
            return str(value, "ascii")
    return None


def new_ids() -> Iterator[str]:
    """Yield ids that no other process has."""
    prefix = os.urandom(8).hex()
    for number in itertools.count(1):
        yield f"{prefix}-{number:x}"


def server_timing(context: RequestContext, total_ns: int) -> bytes:
    """Return the value of `Server-Timing` for a request that took `total_ns`."""
    app_ns = total_ns - context.pool_ns - context.db_ns
    return b"pool;dur=%.3f, db;dur=%.3f, app;dur=%.3f" % (
        context.pool_ns / 1e6,
        context.db_ns / 1e6,
        app_ns / 1e6,
    )


def _internal_error() -> ASGIApp:
    return error_response(
        InternalError("Internal error. The log has the details of this request id.")
    )
