"""Middleware that refuses large requests before they are parsed.

A body with too large a `Content-Length` is refused unread, a chunked one as soon as it passes the
limit. Apart from uploads, a body is read here and checked before the app runs, so a slow or hostile
one occupies neither a database connection nor the JSON parser. The connection stays open after a
refusal, so that a client that still sends does not lose the response; uvicorn discards the rest of
the body, and `app.http_protocol` closes the connection if it does not end.
"""

from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    AppError,
    BadRequest,
    PayloadTooLarge,
    TargetTooLong,
    Unprocessable,
    error_response,
)
from app.limits import (
    MAX_JSON_DEPTH,
    MAX_JSON_ELEMENTS,
    MAX_TARGET_BYTES,
    body_limit,
)


class RequestSizeMiddleware:
    """ASGI middleware that enforces the limits of targets and bodies (`app.limits`)."""

    def __init__(self, app: ASGIApp, max_upload_bytes: int) -> None:
        self._app = app
        self._max_upload_bytes = max_upload_bytes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one request. Not a coroutine, which would cost requests without a body more."""
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        if len(scope["query_string"]) + len(scope["path"]) > MAX_TARGET_BYTES:
            error = TargetTooLong(f"Path and query may have at most {MAX_TARGET_BYTES} bytes.")
            return error_response(error)(scope, receive, send)
        # Starlette's patterns of paths end with `$`, which also matches before a line break.
        if not scope["path"].isprintable():
            refusal = BadRequest("The path has a character that cannot be printed.")
            return error_response(refusal)(scope, receive, send)
        length = _declared_length(scope)
        if length == 0:
            return self._app(scope, receive, send)
        return self._handle_body(length, scope, receive, send)

    async def _handle_body(
        self, length: int | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        limit = body_limit(scope["method"], scope["path"], self._max_upload_bytes)
        body = _Body(receive, limit.max_bytes)
        try:
            if length is not None:
                body.check_size(length)
            app_receive = body.receive if limit.is_stream else await body.read()
        except AppError as error:
            await error_response(error)(scope, receive, send)
            return
        if app_receive is not None:  # None: the client has disconnected
            await self._app(scope, app_receive, send)


def _declared_length(scope: Scope) -> int | None:
    """Return the length of the body, 0 if there is none, and None if it is unknown."""
    length: int | None = 0
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":  # takes precedence (RFC 9112, section 6.3)
            return None
        if name == b"content-length":
            length = int(value) if value.isdigit() else None
    return length


class _Body:
    """The body of a request, counted while it is received."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._is_complete = False

    def check_size(self, size_bytes: int) -> None:
        """Raise `PayloadTooLarge` if a body of this size passes the limit."""
        if size_bytes > self._max_bytes:
            raise PayloadTooLarge(
                f"The body of this request may have at most {self._max_bytes} bytes."
            )

    async def receive(self) -> Message:
        """Receive one message.

        Raises:
            PayloadTooLarge: The body passes the limit.
        """
        message = await self._receive()
        self._is_complete = not message.get("more_body", False)
        self._size_bytes += len(message.get("body", b""))
        self.check_size(self._size_bytes)
        return message

    async def read(self) -> Receive | None:
        """Read the body; return a `receive` that replays it, or None if the client disconnects.

        Raises:
            PayloadTooLarge: The body passes the limit.
            Unprocessable: Its JSON passes a limit.
        """
        chunks: list[bytes] = []
        while not self._is_complete:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return None
            chunks.append(message.get("body", b""))
        body = b"".join(chunks)
        check_json_structure(body)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await self._receive()

        return replay


def check_json_structure(body: bytes) -> None:
    """Check depth and number of elements of a JSON text without parsing it.

    Raises:
        Unprocessable: It passes a limit, or is not UTF-8, which RFC 8259 requires.
    """
    if b"\0" in body:  # also in each UTF-16 or UTF-32 text, which the parser would accept
        raise _invalid("The body must be JSON in UTF-8, without NUL bytes.")
    if sum(map(body.count, _OPENING)) <= MAX_JSON_DEPTH:
        return
    # Without escaped backslashes and quotes, every second section between quotes is a string.
    sections = body.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
    structure = b"".join(sections[::2])
    if sum(map(structure.count, _OPENING)) > MAX_JSON_ELEMENTS:
        raise _invalid(f"The JSON may have at most {MAX_JSON_ELEMENTS} elements.")
    depth = 0
    for bracket in structure.translate(_BRACKETS, _OTHERS):
        depth += 1 if bracket == _OPEN else -1
        if depth > MAX_JSON_DEPTH:
            raise _invalid(f"The JSON may be nested at most {MAX_JSON_DEPTH} levels deep.")
        if depth < 0:
            return  # not JSON


_OPENING = (b"[", b"{", b",")
_OPEN = ord("[")
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b"[]{}"))


def _invalid(message: str) -> Unprocessable:
    return Unprocessable(
        "The request is not valid.", details=[{"where": "body", "message": message}]
    )
