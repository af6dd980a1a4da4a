"""What a Locust user's client returns: a response, or why there is none, as FastHttpUser has it."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

from locust.exception import CatchResponseError, LocustError, ResponseError

from straingauge.http import ErrorKind, Request, RequestFailed, Response

GOOD: Final = frozenset({*range(200, 209), 226, 301, 302, 303, 304, 307, 308})
"""Statuses that mean success where nobody says what to expect: those of Locust's FastHttpUser."""

_CHARSET: Final = re.compile(r"charset=[\"']?([^\s;\"']+)", re.IGNORECASE)
_UNCAUGHT: Final = (
    "to say how a request is to be judged, pass catch_response=True and use a with-block: "
    'with self.client.get("/", catch_response=True) as response: ...'
)

Report: TypeAlias = "Callable[[LocustResponse, Exception | None], None]"


class LocustResponse(Response):
    """The end of one request; its times are of `time.monotonic_ns`.

    Attributes:
        error: why there is no whole response; None when there is one.
        origin: the scheme, host and port that were asked.
        history: the answers that redirected to this one.
        encoding: what `text` is to be decoded by; None leaves it to the headers.
        request_meta: what Locust's listeners will be told, when the answer is caught.
        intended_ns: when the request should have been sent.
        sent_ns: when it was; the same if it never was.
        first_byte_ns: when the response began; 0 if it never did.
        done_ns: when it was over.
    """

    error: RequestFailed | None = None
    origin: str = ""
    history: "tuple[LocustResponse, ...]" = ()
    encoding: str | None = None
    request_meta: dict[str, Any]
    js: Any = None  # Locust's `rest` puts the JSON here
    _report: "Report | None" = None
    _entered = _judged = False
    _against: Exception | None = None

    def __init__(self, request: Request, intended_ns: int) -> None:
        super().__init__(request, 0, b"", b"")
        self.intended_ns = self.sent_ns = intended_ns
        self.first_byte_ns = self.done_ns = 0

    @property
    def url(self) -> str:
        """What was asked for."""
        return self.origin + self.request.target

    @property
    def response_ms(self) -> float:
        """From when it should have been sent to the last byte, in milliseconds."""
        return (self.done_ns - self.intended_ns) / 1e6

    @property
    def status_code(self) -> int:
        """The status; 0 when there is no whole response."""
        return self.status

    @property
    def ok(self) -> bool:
        """Whether there is a response with a status below 400."""
        return 0 < self.status < 400

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

    def raise_for_status(self) -> None:
        """Do nothing about a good response.

        Raises:
            RequestFailed: there is no whole response.
            CatchResponseError: its status is none of success, or it was said to be a failure.
        """
        if self._judged:
            if self._against is not None:
                raise self._against
        elif self.error is not None:
            raise self.error
        elif self.status not in GOOD:
            raise CatchResponseError(f"status {self.status}")

    def success(self) -> None:
        """Count this request as good, whatever its status."""
        self._judge(None)

    def failure(self, exc: object) -> None:
        """Count this request as a failure, for this reason."""
        self._judge(exc if isinstance(exc, Exception) else CatchResponseError(exc))

    def _judge(self, against: Exception | None) -> None:
        if not self._entered:
            raise LocustError(_UNCAUGHT)
        self._judged, self._against = True, against

    def caught(self, meta: dict[str, Any], report: Report) -> Self:
        """Have it judged in a with-block, and reported at its end."""
        self.request_meta = meta
        self._report = report
        return self

    def __enter__(self) -> Self:
        if self._report is None:
            raise LocustError(_UNCAUGHT)
        self._entered = True
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Report it, unless the block has let out an exception that is no judgement."""
        assert self._report is not None
        if self._judged:
            self._report(self, self._against)
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


def failure_of(answer: Response, exception: Exception) -> RequestFailed:
    """What a Locust user has against a response, in straingauge's terms."""
    if isinstance(exception, RequestFailed):
        return exception
    if answer.status in GOOD:
        return RequestFailed(ErrorKind.FAILED_CHECK, str(exception), answer)
    kind = ErrorKind.RATE_LIMITED if answer.status == 429 else ErrorKind.BAD_STATUS
    content = " ".join(answer.raw_body[:200].decode("utf-8", errors="replace").split())
    return RequestFailed(kind, f"{exception}: {content or 'empty body'}", answer)
