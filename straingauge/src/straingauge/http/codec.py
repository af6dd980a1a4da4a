"""Requests to bytes, bytes to responses: HTTP/1.1 (RFC 9112) without any I/O.

Parsing is llhttp's, by `httptools`. What is here besides: which answers have no body, which end
with the connection, and limits on what a hostile or broken server may make us keep.
"""

from functools import lru_cache
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from straingauge.http.decoding import MAX_BODY_BYTES
from straingauge.http.headers import Headers, RawHeaders
from straingauge.http.models import Request
from straingauge.http.multipart import Upload

MAX_HEAD_BYTES: Final = 64 * 1024

_USER_AGENT: Final = "straingauge"
_METHODS_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_END: Final = b"\r\n\r\n"
_LENGTH_AND_END: Final = b"\r\nContent-Length: %d\r\n\r\n"


class ProtocolError(Exception):
    """What the server sent is no HTTP/1.1 response."""


class _UnaskedError(Exception):
    """More than one response answers one request."""


class ShortBody(Exception):
    """The connection ended in the middle of a response."""


def encode(request: Request, host: bytes) -> bytes:
    """The request as it goes on the wire: whole, but for an upload's body, which follows.

    Args:
        request: what to send; all but the host's name is worded once and kept with it.
        host: the Host header's value.
    """
    encoded = request.encoded
    if encoded is None:
        encoded = request.encoded = _worded(request)
    return encoded[0] + host + encoded[1]


def _worded(request: Request) -> tuple[bytes, bytes]:
    start = f"{request.method} {request.target} HTTP/1.1\r\nHost: ".encode("ascii")
    body = request.body
    if isinstance(body, Upload):
        headers = {**request.headers, "Content-Type": body.content_type}
        return start, _lines(tuple(headers.items())) + _LENGTH_AND_END % body.length
    lines = _lines(tuple(request.headers.items()))
    if body is not None or request.method in _METHODS_WITH_BODY:
        body = body or b""
        return start, lines + _LENGTH_AND_END % len(body) + body
    return start, lines + b"\r\n\r\n"


@lru_cache(maxsize=1024)  # a user sends the same headers again and again
def _lines(headers: tuple[tuple[str, str], ...]) -> bytes:
    every = {"User-Agent": _USER_AGENT, "Accept": "*/*", **dict(headers)}
    return "".join(f"\r\n{name}: {value}" for name, value in every.items()).encode("latin-1")


class ResponseReader:
    """Reads the responses of one connection, one after the other.

    Attributes:
        status: of the response, once its head is complete.
        headers: as they came, without trailers: what those mean is each trailer's own matter (RFC
            9110, section 6.5.1), and nobody here asks for any.
        keep_alive: whether the connection can be used again, once the response is complete.
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
        """The next bytes answer a request of this method."""
        if self._bodiless:
            # The last answer was to HEAD, and llhttp still waits for the body it announced.
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
        """The content, as it came."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    def feed(self, data: bytes) -> bool:
        """Take what was received; True when the response is complete.

        Raises:
            ProtocolError: it is no HTTP/1.1 response, or larger than anybody should send.
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
            self._refuse_endless(len(data))
        return self._complete

    def eof(self) -> None:
        """The server closed the connection: fine where that is how the response ends.

        Raises:
            ShortBody: it was not complete.
        """
        if not self._head_complete:
            raise ShortBody("the connection closed within the response's head")
        if {"content-length", "transfer-encoding"} & Headers(self.headers).keys():
            raise ShortBody(f"the connection closed after {len(self.body)} bytes of the body")
        self._complete = True

    def _refuse_endless(self, more_bytes: int) -> None:
        self._length_bytes += more_bytes
        if not self._head_complete and self._length_bytes > MAX_HEAD_BYTES:
            raise ProtocolError(f"more than {MAX_HEAD_BYTES} bytes of headers")
        if self._length_bytes > MAX_BODY_BYTES:
            raise ProtocolError(f"a response of more than {MAX_BODY_BYTES} bytes")

    # The parser calls these.

    def on_message_begin(self) -> None:
        """A response follows: the one awaited, or one nobody asked for, which is not read."""
        if self._complete:
            raise _UnaskedError

    def on_headers_complete(self) -> None:
        """The head is complete, be it the final or an interim one (1xx)."""
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._head_complete = True
        self.headers = _head_after(self._head, self._interim)
        if self._bodiless:
            self._complete = True
            self.keep_alive = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Some of the content."""
        if not self._complete:
            self._body.append(body)

    def on_message_complete(self) -> None:
        """The response is complete; after an interim one, the final one follows."""
        if self._head_complete:
            self._complete = True
            self.keep_alive = self._parser.should_keep_alive()
        else:
            self._interim += 1


def _head_after(received: bytes, interim: int) -> RawHeaders:
    """The head that follows so many others; the parser has found all of them valid.

    So none has a body, no line is folded, and only its end is CRLF twice. Empty lines may come
    before each.
    """
    for _ in range(interim):
        received = received.lstrip(b"\r\n")
        received = received[received.index(_END) + len(_END) :]
    received = received.lstrip(b"\r\n")
    return received[: received.index(_END)]
