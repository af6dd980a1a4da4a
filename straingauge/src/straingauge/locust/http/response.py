"""Responses of a Locust user's client, with the interface of FastHttpUser's."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from locust.exception import CatchResponseError, LocustError, ResponseError
from requests.cookies import RequestsCookieJar
from requests.utils import parse_header_links

from straingauge.http import (
    ErrorKind,
    Event,
    Request,
    RequestFailed,
    Response,
    StreamReader,
    StreamResponse,
)
from straingauge.http.redirects import REDIRECTS
from straingauge.locust.http.cookies import cookies_of

GOOD: Final = frozenset({*range(200, 209), 226, 301, 302, 303, 304, 307, 308})
"""Statuses that mean success by default: those of Locust's FastHttpUser."""

_CHARSET: Final = re.compile(r"charset=[\"']?([^\s;\"']+)", re.IGNORECASE)
_UNCAUGHT: Final = (
    "to decide whether a request succeeded, pass catch_response=True and use a with-block: "
    'with self.client.get("/", catch_response=True) as response: ...'
)

Report: TypeAlias = "Callable[[LocustResponse, Exception | None], None]"


class LocustResponse(Response):
    """The response to a request, or why there is none; times are of `time.monotonic_ns`.

    Attributes:
        error: why there is no whole response; None when there is one.
        origin: scheme, host and port that the request was sent to.
        history: the responses that redirected to this one.
        encoding: encoding of `text`; None leaves it to the headers.
        request_meta: arguments of Locust's request event, for a response in a with-block.
        intended_ns: when the request should have been sent.
        sent_ns: when it was sent; equal to intended_ns if it never was.
        first_byte_ns: when the response began; 0 if it did not.
        done_ns: when its outcome was known; of a stream, when its first event came.
        stream: the events, if the response was read as it came.
        trace: number of the request's trace; 0 if it was never sent, or without one.
    """

    stream: StreamReader | None = None
    trace: int = 0
    error: RequestFailed | None = None
    origin: str = ""
    history: "tuple[LocustResponse, ...]" = ()
    encoding: str | None = None
    request_meta: dict[str, Any]
    js: Any = None  # Locust's `rest` puts the JSON here
    _report: "Report | None" = None
    _entered = _is_decided = False
    _verdict: Exception | None = None

    def __init__(self, request: Request, intended_ns: int) -> None:
        super().__init__(request, 0, b"", b"")
        self.intended_ns = self.sent_ns = intended_ns
        self.first_byte_ns = self.done_ns = 0

    @property
    def url(self) -> str:
        """The URL of the request."""
        return self.origin + self.request.target

    @property
    def response_ms(self) -> float:
        """Response time, in milliseconds: from when it should have been sent to the last byte."""
        return (self.done_ns - self.intended_ns) / 1e6

    @property
    def status_code(self) -> int:
        """The status; 0 when there is no whole response."""
        return self.status

    @property
    def ok(self) -> bool:
        """There is a response with a status below 400."""
        return 0 < self.status < 400

    def __bool__(self) -> bool:
        """As in `requests`: `ok`."""
        return self.ok

    @property
    def reason(self) -> str:
        """The text after the status; empty if there is none."""
        status_line, *_ = self.raw_headers.partition(b"\r\n")
        return status_line.decode("latin-1").partition(" ")[2].partition(" ")[2]

    @property
    def is_redirect(self) -> bool:
        """The response leads elsewhere, and was not followed."""
        return self.status in REDIRECTS and "location" in self.headers

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The links of the header Link by their relation, such as "next" (RFC 8288)."""
        found = parse_header_links(self.headers.get("link", ""))
        return {each.get("rel") or each["url"]: each for each in found}

    @property
    def cookies(self) -> RequestsCookieJar:
        """The cookies that this response sets."""
        return cookies_of(self.raw_headers, self.origin, self.request.target)

    @property
    def content(self) -> bytes | None:
        """The content, with gzip or deflate undone; None when there is no whole response.

        Raises:
            ValueError: it is not what its Content-Encoding says.
        """
        return self.body if self.error is None else None

    @property
    def text(self) -> str:
        """The content as text, with what cannot be decoded replaced."""
        charset = self.encoding
        if charset is None:
            named = _CHARSET.search(self.headers.get("content-type", ""))
            charset = named[1] if named else "utf-8"
        try:
            return self.body.decode(charset, errors="replace")
        except LookupError:  # the service made that name up
            return self.body.decode("utf-8", errors="replace")

    @property
    def elapsed(self) -> timedelta:
        """From sending to the last byte."""
        return timedelta(microseconds=(self.done_ns - self.sent_ns) / 1e3)

    def iter_content(self, chunk_size: int = 1024, decode_content: bool = True) -> Iterator[Any]:  # noqa: FBT001, FBT002  as FastHttpUser has it
        """The content piece by piece, as text where it is text."""
        whole = self.content or b""
        for start in range(0, len(whole), chunk_size):
            piece = whole[start : start + chunk_size]
            try:
                yield piece.decode() if decode_content else piece
            except UnicodeDecodeError:
                yield piece

    def fail(self, failure: RequestFailed, stream: StreamReader | None) -> None:
        """Note a failure at `done_ns`, within a stream if there is one."""
        self.error = failure if stream is None else stream.break_off(failure, self.done_ns)
        self.stream = stream

    def take(self, outcome: Response | RequestFailed, first_byte_ns: int) -> None:
        """Take over the outcome of the exchange; a stream is done with its first event."""
        if isinstance(outcome, RequestFailed):
            self.error, self.stream = outcome, outcome.stream
            return
        self.status, self.raw_headers = outcome.status, outcome.raw_headers
        self.raw_body, self.first_byte_ns = outcome.raw_body, first_byte_ns
        if isinstance(outcome, StreamResponse):
            self.stream = outcome.stream
            self.done_ns = outcome.stream.first_ns or self.done_ns

    @property
    def events(self) -> list[Event]:
        """The last events of a stream, see `Stream.keep`."""
        return [] if self.stream is None else list(self.stream.kept)

    def iter_lines(self) -> Iterator[str]:
        """The lines of the content."""
        yield from self.text.splitlines()

    def close(self) -> None:
        """Do nothing: the whole response has been received."""

    def raise_for_status(self) -> None:
        """Do nothing about a good response.

        Raises:
            RequestFailed: there is no whole response.
            CatchResponseError: its status means failure, or it was marked as failed.
        """
        if self._is_decided:
            if self._verdict is not None:
                raise self._verdict
        elif self.error is not None:
            raise self.error
        elif self.status not in GOOD:
            raise CatchResponseError(f"status {self.status}")

    def success(self) -> None:
        """Count this request as good, whatever its status."""
        self._decide(None)

    def failure(self, exc: object) -> None:
        """Count this request as a failure, for this reason."""
        self._decide(exc if isinstance(exc, Exception) else CatchResponseError(exc))

    def _decide(self, verdict: Exception | None) -> None:
        if not self._entered:
            raise LocustError(_UNCAUGHT)
        self._is_decided, self._verdict = True, verdict

    def catch(self, meta: dict[str, Any], report: Report) -> Self:
        """Let a with-block decide about it; report it at the end of the block."""
        self.request_meta = meta
        self._report = report
        return self

    def __enter__(self) -> Self:
        self._entered = self._report is not None  # else a block as of `requests`, which closes
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Report it, unless the block has raised an exception of another kind."""
        if self._report is None:
            return False
        if self._is_decided:
            self._report(self, self._verdict)
            return exc is None
        if exc is None:
            try:
                self.raise_for_status()
            except (CatchResponseError, RequestFailed) as error:
                self._report(self, error)
            else:
                self._report(self, None)
            return True
        if isinstance(exc, (ResponseError, CatchResponseError, RequestFailed)):
            self._report(self, exc)
            return True
        return False


def failure_of(response: Response, exception: Exception) -> RequestFailed:
    """Classify an exception about a response as a failure of straingauge."""
    if isinstance(exception, RequestFailed):
        return exception
    if response.status in GOOD:
        return RequestFailed(ErrorKind.FAILED_CHECK, str(exception), response)
    kind = ErrorKind.RATE_LIMITED if response.status == 429 else ErrorKind.BAD_STATUS
    content = " ".join(response.raw_body[:200].decode("utf-8", errors="replace").split())
    return RequestFailed(kind, f"{exception}: {content or 'empty body'}", response)
