"""Requests to bytes, bytes to responses: HTTP/1.1 (RFC 9112) without any I/O.

llhttp parses, by way of `httptools`. This module adds which responses have no body, which end with
the connection, and limits on how much of a hostile or broken server's response is kept.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from straingauge.http.decoding import MAX_BODY_BYTES
from straingauge.http.headers import Headers, RawHeaders, combine
from straingauge.http.models import Request
from straingauge.http.multipart import Upload

MAX_HEAD_BYTES: Final = 64 * 1024

_DEFAULTS: Final = {"User-Agent": "straingauge", "Accept": "*/*"}
_METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_END: Final = b"\r\n\r\n"
_LENGTH_AND_END: Final = b"\r\nContent-Length: %d\r\n\r\n"


class ProtocolError(Exception):
    """The server sent something other than an HTTP/1.1 response."""


class _UnrequestedError(Exception):
    """The server sent a second response to one request."""


class ShortBody(Exception):
    """The connection ended in the middle of a response."""


def encode(request: Request, host: bytes, trace: bytes = b"") -> bytes:
    """Encode a request; the body of an upload follows separately.

    Args:
        request: the request; what is encoded is kept with it, except the host's name.
        host: value of the Host header.
        trace: line of the header `traceparent`, which a request may have itself; see `TraceIds`.
    """
    encoded = request.encoded
    if encoded is None:
        encoded = request.encoded = _encode(request)
        request.closes_connection = _asks_to_close(request.headers)
        request.has_traceparent = any(name.lower() == "traceparent" for name in request.headers)
    if request.has_traceparent:
        return encoded[0] + host + encoded[1]
    return b"".join((encoded[0], host, trace, encoded[1]))


def _encode(request: Request) -> tuple[bytes, bytes]:
    start = f"{request.method} {request.target} HTTP/1.1\r\nHost: ".encode("ascii")
    body = request.body
    if isinstance(body, Upload):
        headers = combine(request.headers, {"Content-Type": body.content_type})
        return start, _lines(tuple(headers.items())) + _LENGTH_AND_END % body.length
    lines = _lines(tuple(request.headers.items()))
    if body is not None or request.method in _METHODS_WITH_BODY:
        body = body or b""
        return start, lines + _LENGTH_AND_END % len(body) + body
    return start, lines + b"\r\n\r\n"


@lru_cache(maxsize=1024)  # a user sends the same headers repeatedly
def _lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = combine(_DEFAULTS, dict(headers)).items()
    return "".join(f"\r\n{name}: {value}" for name, value in lines).encode("latin-1")


def _asks_to_close(headers: Mapping[str, str]) -> bool:
    """Check for `Connection: close`, which a server may obey without a word (RFC 9112, 9.6)."""
    values = [value for name, value in headers.items() if name.lower() == "connection"]
    return any(option.strip().lower() == "close" for option in ",".join(values).split(","))


def add_base_path(encoded: bytes, base_path: bytes) -> bytes:
    """Put a base path before the path of an encoded request."""
    method, _, rest = encoded.partition(b" ")
    return b"%b %b%b" % (method, base_path, rest)


class ResponseReader:
    """Reads the responses of one connection, one after the other.

    Attributes:
        status: status of the response, once its head is complete.
        headers: its headers as received, without trailers, whose meaning depends on each field (RFC
            9110, section 6.5.1).
        keep_alive: the connection can be used again; set once the response is complete.
    """

    __slots__ = (
        "_bodiless",
        "_body",
        "_complete",
        "_head",
        "_head_complete",
        "_interim",
        "_length_bytes",
        "_parser",
        "headers",
        "keep_alive",
        "status",
    )

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._bodiless = False
        self.begin("GET")

    def begin(self, method: str) -> None:
        """Expect the response to a request of this method."""
        if self._bodiless:
            # The last request was HEAD, and llhttp still waits for the body that was announced.
            self._parser = HttpResponseParser(self)
        self._bodiless = method == "HEAD"
        self.status = 0
        self.headers: RawHeaders = b""
        self.keep_alive = False
        self._head = b""
        self._interim = 0
        self._body: list[bytes] = []
        self._length_bytes = 0
        self._head_complete = False
        self._complete = False

    @property
    def body(self) -> bytes:
        """The content as received."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def feed(self, data: bytes) -> bool:
        """Parse received bytes; return whether the response is complete.

        Raises:
            ProtocolError: it is no HTTP/1.1 response, or too large.
        """
        if not self._head_complete:
            self._head = self._head + data if self._head else data
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            raise ProtocolError("the server switched to another protocol") from error
        except HttpParserError as error:
            if not self._complete:
                raise ProtocolError(str(error) or type(error).__name__) from error
            self.keep_alive = False  # garbage behind a complete response
        if not self._complete:
            self._check_size(len(data))
        return self._complete

    @property
    def has_head(self) -> bool:
        """The response's head is complete."""
        return self._head_complete

    def take_body(self) -> list[bytes]:
        """Remove and return what was received of the content, which then counts no more."""
        taken, self._body = self._body, []
        self._length_bytes = 0
        return taken

    def eof(self) -> None:
        """Handle the end of the connection, which some responses end with.

        Raises:
            ShortBody: the response was not complete.
        """
        if not self._head_complete:
            raise ShortBody("the connection closed within the response's head")
        if {"content-length", "transfer-encoding"} & Headers(self.headers).keys():
            raise ShortBody(f"the connection closed after {len(self.body)} bytes of the body")
        self._complete = True

    def _check_size(self, more_bytes: int) -> None:
        self._length_bytes += more_bytes
        if not self._head_complete and self._length_bytes > MAX_HEAD_BYTES:
            raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of headers")
        if self._length_bytes > MAX_BODY_BYTES:
            raise ProtocolError(f"a response of more than {MAX_BODY_BYTES} bytes")

    # The parser calls these.

    def on_message_begin(self) -> None:
        """Stop parsing at a second response, which was not requested."""
        if self._complete:
            raise _UnrequestedError

    def on_headers_complete(self) -> None:
        """Note that a head is complete: that of the response, or an interim one (1xx)."""
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._head_complete = True
        self.headers = _head_after(self._head, self._interim)
        if self._bodiless:
            self._complete = True
            self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Collect a part of the content."""
        if not self._complete:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """Note that a response is complete; an interim one (1xx) is followed by another."""
        if self._head_complete:
            self._complete = True
            self.keep_alive = self._parser.should_keep_alive()
        else:
            self._interim += 1


def _head_after(received: bytes, interim: int) -> RawHeaders:
    """Cut out the head that follows this number of interim ones; the parser has validated them all.

    So none has a body, no line is folded, and CRLF twice ends each. Empty lines may precede each.
    """
    for _ in range(interim):
        received = received.lstrip(b"\r\n")
        received = received[received.index(_END) + len(_END) :]
    received = received.lstrip(b"\r\n")
    return received[: received.index(_END)]
