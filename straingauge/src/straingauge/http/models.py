"""Requests, responses, and the ways in which a request can fail."""

import codecs
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from straingauge.http.decoding import decode
from straingauge.http.headers import Headers, RawHeaders, values_of
from straingauge.http.multipart import Upload
from straingauge.json_text import parse_json

if TYPE_CHECKING:
    from straingauge.http.streaming.stream import Stream
    from straingauge.http.streaming.stream_reader import StreamReader

_NOT_PARSED: Final = object()
_DIGITS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_NUMBER: Final = b"0" * 20  # the least of an integer of more than 64 bits
_BYTE_ORDER_MARKS: Final = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class ErrorKind(StrEnum):
    """Kinds of failure. `RATE_LIMITED` counts separately: neither success nor error.

    `IDLE_CLOSED`: the server closed a connection that had been idle as the request was sent, so
    that the request may never have been read (RFC 9112, section 9.5). `CERTIFICATE_*`: the server's
    certificate is not accepted. `CLIENT_CERTIFICATE`: the server does not accept the client's, or
    there is none. `PROXY`: the proxy, not the service. `NO_SOCKET`: there is no such socket file.
    `UNREACHABLE`: no route leads to the host, or a firewall rejects the connection.
    `OUT_OF_SOCKETS`: this machine has no open file or local port left for a connection.
    `REDIRECT`: a redirect that was to be followed leads nowhere, elsewhere, or to too many others.
    `EARLY_CLOSE`: a stream ended before its end mark, or with too few events. `CLOSED`: a WebSocket
    was closed while the journey used it. `TOO_LARGE`: a message is larger than its limit.

    Of HTTP/2: `GOAWAY`: the server ended the connection. `STREAM_RESET`: it ended the request's
    stream (RST_STREAM). `STREAM_REFUSED`: it did not process the request, which was sent twice.
    `NO_HTTP2`: it speaks HTTP/1.1 only.
    """

    REFUSED = "refused"
    RESET = "reset"
    IDLE_CLOSED = "idle_closed"
    TIMEOUT = "timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    SHORT_BODY = "short_body"
    PROTOCOL = "protocol"
    TLS = "tls"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    CERTIFICATE_NAME = "certificate_name"
    CLIENT_CERTIFICATE = "client_certificate"
    PROXY = "proxy"
    NO_SOCKET = "no_socket"
    OUT_OF_SOCKETS = "out_of_sockets"
    BAD_STATUS = "bad_status"
    FAILED_CHECK = "failed_check"
    REDIRECT = "redirect"
    RATE_LIMITED = "rate_limited"
    JOURNEY_ERROR = "journey_error"
    EARLY_CLOSE = "early_close"
    CLOSED = "closed"
    TOO_LARGE = "too_large"
    GOAWAY = "goaway"
    STREAM_RESET = "stream_reset"
    STREAM_REFUSED = "stream_refused"
    NO_HTTP2 = "no_http2"
    UNREACHABLE = "unreachable"


# 407 comes from a proxy only (RFC 9110, section 15.5.8).
_STATUS_KINDS: Final = {407: ErrorKind.PROXY, 429: ErrorKind.RATE_LIMITED}

TIMEOUTS: Final = frozenset(
    {ErrorKind.TIMEOUT, ErrorKind.CONNECT_TIMEOUT, ErrorKind.FIRST_BYTE_TIMEOUT}
)
"""Failures of requests that took too long."""


@dataclass(slots=True, eq=False)
class Request:
    """One request, made by `User.get` and the like, and not changed afterwards.

    Attributes:
        method: "GET", "POST", ...
        target: path and query, percent-encoded.
        name: endpoint that it counts under, such as "GET /api/sessions/{id}".
        headers: all headers except Host, Content-Length and those of an upload.
        body: None, bytes, or a multipart upload streamed from disk.
        expect: statuses that mean success; any other is an error, except 429, counted separately.
        checks: checks of the content, called in order if the status is expected.
        timeout_s: timeout from sending to the last byte; None leaves it to the load.
        stream: how its response is read as it comes; None for a response that is received whole.
        follow_redirects: follow a redirect whose status is not expected; each one counts as a
            separate request.
        redirects: number of redirects that led to it.
        origin: scheme, host and port it goes to, if that is not the load's target.
        from_root: its target begins at the root of the host: no base path precedes it.
        encoded: the bytes before and after the host's name, cached by `codec.encode`.
        closes_connection: it has the header `Connection: close`; set by `codec.encode`.
        has_traceparent: it has the header `traceparent` itself; set by `codec.encode`.
    """

    method: str
    target: str
    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Upload | None = None
    expect: frozenset[int] = frozenset({200})
    checks: "tuple[Check, ...]" = ()
    timeout_s: float | None = None
    stream: "Stream | None" = None
    follow_redirects: bool = False
    redirects: int = 0
    origin: str | None = None
    from_root: bool = False
    encoded: tuple[bytes, bytes] | None = field(default=None, repr=False)
    closes_connection: bool = field(default=False, repr=False)
    has_traceparent: bool = field(default=False, repr=False)


class Response:
    """One response; it is decoded only when its properties are read.

    Attributes:
        request: The request.
        status: The status, such as 200.
        raw_headers: The headers as received.
        raw_body: The content as received, in bytes; `body` is decoded.
    """

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
        self._json: Any = _NOT_PARSED

    @property
    def headers(self) -> Headers:
        """Headers by case-insensitive name."""
        if self._headers is None:
            self._headers = Headers(self.raw_headers)
        return self._headers

    @property
    def body(self) -> bytes:
        """The decoded content.

        Raises:
            ValueError: the content is not encoded as its Content-Encoding says, or too large.
        """
        if self._body is None:
            encoding = self._encoding()
            self._body = decode(self.raw_body, encoding) if encoding else self.raw_body
        return self._body

    @property
    def text(self) -> str:
        """The content as UTF-8 text, with invalid bytes replaced."""
        return self.body.decode("utf-8", errors="replace")

    # Only the journey's author knows the shape of the JSON.
    def json(self) -> Any:  # noqa: ANN401
        """Parse the content as JSON, once: checks and journeys receive the same object.

        Raises:
            ValueError: it is not JSON.
        """
        if self._json is _NOT_PARSED:
            self._json = _parse_json(self.body)
        return self._json

    def _encoding(self) -> str:
        """Return the Content-Encoding, without decoding the other headers."""
        return b", ".join(values_of(self.raw_headers, b"content-encoding")).decode("latin-1")

    def __repr__(self) -> str:
        return f"<Response {self.status} of {self.request.name}, {len(self.raw_body)} bytes>"


def _parse_json(body: bytes) -> Any:  # noqa: ANN401  as in `Response.json`
    """Parse JSON, with integers of any size, in UTF-8 or as a byte order mark says."""
    is_unusual = _LONG_NUMBER in body.translate(_DIGITS) or body.startswith(_BYTE_ORDER_MARKS)
    # orjson, which is faster, turns integers of more than 64 bits into floats.
    return parse_json(body) if is_unusual else orjson.loads(body)


Check: TypeAlias = Callable[[Response], str | None]
"""Returns None if the response is correct, else a text that says what is wrong."""


class RequestFailed(Exception):
    """Raised in a journey at the `yield` whose request failed; the journey may catch it.

    Attributes:
        kind: the kind of failure.
        detail: a description for the report.
        response: the response, if there was a complete one.
        stream: what was read of a stream that failed; None otherwise.
    """

    stream: "StreamReader | None" = None

    def __init__(
        self, kind: ErrorKind | str, detail: str, response: Response | None = None
    ) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.response = response


def check_response(response: Response) -> RequestFailed | None:
    """Check a response's status and content; return None if it is as its request expects.

    A check that raises has failed: a body that is no JSON is the service's fault, not the check's.
    """
    request = response.request
    if response.status not in request.expect:
        kind = _STATUS_KINDS.get(response.status, ErrorKind.BAD_STATUS)
        expected = " or ".join(str(status) for status in sorted(request.expect))
        detail = f"status {response.status}, expected {expected}: {_excerpt(response)}"
        return RequestFailed(kind, detail, response)
    for check in request.checks:
        try:
            wrong: object = check(response)
        except Exception as error:  # noqa: BLE001  a check may raise anything on unexpected content
            wrong = f"{type(error).__name__}: {error}"
        if wrong is not None and wrong is not True:  # True and False are a common mistake
            detail = wrong if isinstance(wrong, str) and wrong else _unclear(check, wrong)
            return RequestFailed(ErrorKind.FAILED_CHECK, detail, response)
    return None


def _unclear(check: "Check", returned: object) -> str:
    """Describe the failure of a check that does not say what is wrong."""
    name = getattr(check, "__name__", type(check).__name__)
    return f"check {name} returned {returned!r}; to say what is wrong, return a text"


def _excerpt(response: Response, limit: int = 200) -> str:
    """Return the beginning of the content as received, for an error message."""
    text = response.raw_body[:limit].decode("utf-8", errors="replace")
    return " ".join(text.split()) or "empty body"
