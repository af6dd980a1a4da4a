"""What goes between a journey and whoever drives it: requests, responses, pauses, failures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

import orjson

from straingauge.http.decoding import decoded
from straingauge.http.headers import Headers, RawHeaders, values_of
from straingauge.http.multipart import Upload

_UNREAD: Final = object()


class ErrorKind(StrEnum):
    """How a request can fail. `RATE_LIMITED` counts apart: neither success nor error."""

    REFUSED = "refused"
    RESET = "reset"
    TIMEOUT = "timeout"
    SHORT_BODY = "short_body"
    PROTOCOL = "protocol"
    TLS = "tls"
    BAD_STATUS = "bad_status"
    FAILED_CHECK = "failed_check"
    RATE_LIMITED = "rate_limited"
    JOURNEY_ERROR = "journey_error"


@dataclass(slots=True, eq=False)
class Request:
    """One request, ready to send; made by `User.get` and its sisters, not changed afterwards.

    Attributes:
        method: "GET", "POST", ...
        target: path and query, percent-encoded, as it goes on the wire.
        name: the endpoint this request counts under, such as "GET /api/sessions/{id}".
        headers: all headers but Host, Content-Length and those an upload brings.
        body: nothing, bytes, or a multipart upload streamed from disk.
        expect: statuses that mean success; any other is an error, but for 429, counted apart.
        checks: on the content, asked in order when the status is expected.
        timeout_s: from sending to the last byte; None leaves it to the load.
        encoded: the bytes before and after the host's name, kept by `wire` between two sends.
    """

    method: str
    target: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload | None = None
    expect: frozenset[int] = frozenset({200})
    checks: "tuple[Check, ...]" = ()
    timeout_s: float | None = None
    encoded: tuple[bytes, bytes] | None = field(default=None, repr=False)


class Response:
    """One response. Nothing is decoded before it is asked for."""

    __slots__ = ("_body", "_headers", "_json", "raw_body", "raw_headers", "request", "status")

    def __init__(
        self,
        request: Request,
        status: int,
        raw_headers: RawHeaders,
        raw_body: bytes,
    ) -> None:
        self.request = request
        self.status = status
        self.raw_headers = raw_headers
        self.raw_body = raw_body
        self._headers: Headers | None = None
        self._body: bytes | None = None
        self._json: Any = _UNREAD

    @property
    def headers(self) -> Headers:
        """The headers by case-insensitive name."""
        if self._headers is None:
            self._headers = Headers(self.raw_headers)
        return self._headers

    @property
    def body(self) -> bytes:
        """The content, with gzip or deflate undone.

        Raises:
            ValueError: the content is not what its Content-Encoding says, or far too large.
        """
        if self._body is None:
            encoding = self._encoding()
            self._body = decoded(self.raw_body, encoding) if encoding else self.raw_body
        return self._body

    @property
    def text(self) -> str:
        """The content as text: UTF-8, with what is none replaced."""
        return self.body.decode("utf-8", errors="replace")

    # JSON is whatever the service sent: only the journey's author knows its shape.
    def json(self) -> Any:  # noqa: ANN401
        """The content read as JSON, once: checks and journeys are given the same object.

        Raises:
            ValueError: it is not JSON.
        """
        if self._json is _UNREAD:
            self._json = orjson.loads(self.body)
        return self._json

    def _encoding(self) -> str:
        """Of the content; all headers would have to be decoded to look it up among them."""
        return b", ".join(values_of(self.raw_headers, b"content-encoding")).decode("latin-1")

    def __repr__(self) -> str:
        return f"<Response {self.status} of {self.request.name}, {len(self.raw_body)} bytes>"


Check: TypeAlias = Callable[[Response], str | None]
"""None when the response is fine, else what was wrong with it."""


class RequestFailed(Exception):
    """Thrown into a journey at the `yield` whose request failed; it may catch it and go on.

    Attributes:
        kind: what went wrong.
        detail: the same in words.
        response: the response, when there was a whole one.
    """

    def __init__(self, kind: ErrorKind, detail: str, response: Response | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.response = response


def check_response(response: Response) -> RequestFailed | None:
    """Judge a whole response by its request's expected statuses and checks; None when it is fine.

    A check that raises has failed: a body that is no JSON is the service's fault, not the check's.
    """
    request = response.request
    if response.status not in request.expect:
        kind = ErrorKind.RATE_LIMITED if response.status == 429 else ErrorKind.BAD_STATUS
        expected = " or ".join(str(status) for status in sorted(request.expect))
        detail = f"status {response.status}, expected {expected}: {_excerpt(response)}"
        return RequestFailed(kind, detail, response)
    for check in request.checks:
        try:
            wrong = check(response)
        except Exception as error:  # noqa: BLE001  whatever a check trips over is in the content
            wrong = f"{type(error).__name__}: {error}"
        if wrong is not None:
            return RequestFailed(ErrorKind.FAILED_CHECK, wrong, response)
    return None


def _excerpt(response: Response, limit: int = 200) -> str:
    """The beginning of the content for an error message, undecoded if it cannot be decoded."""
    text = response.raw_body[:limit].decode("utf-8", errors="replace")
    return " ".join(text.split()) or "empty body"
