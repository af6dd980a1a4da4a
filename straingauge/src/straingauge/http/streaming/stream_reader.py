"""The events of one response, measured as they come."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, Protocol, TypeAlias

from straingauge.http.headers import RawHeaders, values_of
from straingauge.http.models import ErrorKind, Request, RequestFailed, Response
from straingauge.http.streaming.event import Event
from straingauge.http.streaming.event_stream import EventStreamParser
from straingauge.http.streaming.inflater import Inflater
from straingauge.http.streaming.plain import ChunkParser, LineParser
from straingauge.http.streaming.stream import EventCheck, Stream
from straingauge.http.streaming.time_log import TimeLog
from straingauge.number_text import count

Ending: TypeAlias = Literal["end_mark", "server", "limit", "load_end", "failure"]
"""The end of a stream: its end mark, the end of the response, a limit of the test, the end of the
load, or a failure."""


class _Parser(Protocol):
    def feed(self, piece: bytes, /) -> Iterator[Event]: ...

    def finish(self) -> Iterator[Event]: ...


_PARSERS: Final[dict[str, Callable[[int], _Parser]]] = {
    "sse": EventStreamParser,
    "ndjson": LineParser,
    "chunks": ChunkParser,
}


class StreamReader:
    """Reads the body of one response. All instants are of `time.monotonic_ns`.

    Events that arrive in one piece came at the same instant: the gap between them is 0.

    Attributes:
        events: Number of events.
        tokens: Number of events with a token.
        stalls: Number of gaps that were longer than `Stream.stall_s`.
        body_bytes: Size of the body as received.
        gaps: Times between two events.
        token_gaps: Times between two events with a token.
        first_ns: When the first event came; 0 before.
        first_token_ns: When the first token came; 0 before.
        kept: The last events.
        ending: What ended the stream; None before.
        ended_ns: When it ended; 0 before.
    """

    __slots__ = (
        "_checks",
        "_has_token",
        "_inflater",
        "_last_ns",
        "_last_token_ns",
        "_parser",
        "_sent_ns",
        "body_bytes",
        "declared",
        "ended_ns",
        "ending",
        "events",
        "first_ns",
        "first_token_ns",
        "gaps",
        "kept",
        "stalls",
        "token_gaps",
        "tokens",
    )

    def __init__(self, declared: Stream, headers: RawHeaders, sent_ns: int) -> None:
        """Begin to read; see `content_failure` for responses that are no such stream.

        Raises:
            ValueError: The content is encoded in a way that cannot be read as it comes.
        """
        self.declared = declared
        self.events = self.tokens = self.stalls = self.body_bytes = 0
        self.first_ns = self.first_token_ns = self.ended_ns = 0
        self.gaps, self.token_gaps = TimeLog(), TimeLog()
        self.kept: deque[Event] = deque(maxlen=declared.keep)
        self.ending: Ending | None = None
        self._sent_ns = sent_ns
        self._last_ns = self._last_token_ns = 0
        self._parser = _PARSERS[declared.format](declared.max_event_bytes)
        self._has_token = declared.token_test
        self._checks = declared.checks
        encoding = b", ".join(values_of(headers, b"content-encoding")).decode("latin-1")
        self._inflater = Inflater(encoding) if encoding.lower() not in ("", "identity") else None

    def feed(self, pieces: Iterable[bytes], at_ns: int) -> RequestFailed | None:
        """Read pieces of the body that arrived at this instant; return why they are wrong, if so.

        What follows the end of the stream is ignored; see `ending`.
        """
        try:
            for piece in pieces:
                self.body_bytes += len(piece)
                decoded = (piece,) if self._inflater is None else self._inflater.feed(piece)
                for part in decoded:
                    for event in self._parser.feed(part):
                        if self.ending is not None:
                            return None
                        if (wrong := self._add(event, at_ns)) is not None:
                            return wrong
        except ValueError as error:
            return self._fail(ErrorKind.PROTOCOL, str(error), at_ns)
        max_s = self.declared.max_s
        if max_s is not None and self.ending is None and at_ns - self._sent_ns >= max_s * 1e9:
            self._end("limit", at_ns)
        return None

    def finish(self, at_ns: int) -> RequestFailed | None:
        """Handle the complete response; return why it is wrong, if it is."""
        try:
            if self._inflater is not None and self.ending is None:
                self._inflater.finish()
            for event in self._parser.finish():
                if self.ending is None and (wrong := self._add(event, at_ns)) is not None:
                    return wrong
        except ValueError as error:
            return self._fail(ErrorKind.PROTOCOL, f"{error}, after {self._count}", at_ns)
        if self.ending is None:
            if self.declared.end is not None:
                detail = f"the stream ended after {self._count}, before its end mark"
                return self._fail(ErrorKind.EARLY_CLOSE, f"{detail} {self.declared.end!r}", at_ns)
            self._end("server", at_ns)
        return self.check_events(at_ns)

    def close(self, ending: Ending, at_ns: int) -> RequestFailed | None:
        """End the stream on purpose; return why it is wrong, if it is."""
        if self.ending is None:
            self._end(ending, at_ns)
        return self.check_events(at_ns)

    def check_events(self, at_ns: int) -> RequestFailed | None:
        """Check the number of events of a stream that has ended."""
        least = self.declared.min_events
        if self.events >= least:
            return None
        detail = f"the stream ended after {self._count}, expected at least {least}"
        return self._fail(ErrorKind.EARLY_CLOSE, detail, at_ns)

    def break_off(self, failure: RequestFailed, at_ns: int) -> RequestFailed:
        """End the stream with a failure from elsewhere, and add to it how far it had come."""
        self._end("failure", at_ns)
        failure.stream = self
        failure.detail = f"{failure.detail}, after {self._count}"
        return failure

    @property
    def _count(self) -> str:
        return count(self.events, "event")

    def _add(self, event: Event, at_ns: int) -> RequestFailed | None:
        declared = self.declared
        if event.data == declared.end:
            self._end("end_mark", at_ns)
            return None
        self.events += 1
        if self._last_ns:
            gap_ns = at_ns - self._last_ns
            self.gaps.add(gap_ns)
            if gap_ns > declared.stall_s * 1e9:
                self.stalls += 1
        else:
            self.first_ns = at_ns
        self._last_ns = at_ns
        if declared.keep:
            self.kept.append(event)
        if self._has_token is not None and (wrong := self._add_token(event, at_ns)) is not None:
            return wrong
        for check in self._checks:
            if (wrong_text := _check(check, event)) is not None:
                detail = f"event {self.events}: {wrong_text}"
                return self._fail(ErrorKind.FAILED_CHECK, detail, at_ns)
        if self.events == declared.max_events:
            self._end("limit", at_ns)
        return None

    def _add_token(self, event: Event, at_ns: int) -> RequestFailed | None:
        assert self._has_token is not None
        try:
            is_token = bool(self._has_token(event))
        except Exception as error:  # noqa: BLE001  a user's function may raise anything
            detail = f"tokens of event {self.events}: {type(error).__name__}: {error}"
            return self._fail(ErrorKind.FAILED_CHECK, detail, at_ns)
        if is_token:
            self.tokens += 1
            if self._last_token_ns:
                self.token_gaps.add(at_ns - self._last_token_ns)
            else:
                self.first_token_ns = at_ns
            self._last_token_ns = at_ns
        return None

    def _end(self, ending: Ending, at_ns: int) -> None:
        if not self.ended_ns:
            self.ended_ns = at_ns
            # The silence before the end: of a stream that is cut off, it is the longest one.
            if self._last_ns and at_ns - self._last_ns > self.declared.stall_s * 1e9:
                self.stalls += 1
        self.ending = ending

    def _fail(self, kind: ErrorKind, detail: str, at_ns: int) -> RequestFailed:
        self._end("failure", at_ns)
        failure = RequestFailed(kind, detail)
        failure.stream = self
        return failure


class StreamResponse(Response):
    """The response of a stream that ended well.

    Attributes:
        stream: What was measured.
    """

    __slots__ = ("stream",)

    def __init__(
        self, request: Request, status: int, raw_headers: RawHeaders, stream: StreamReader
    ) -> None:
        super().__init__(request, status, raw_headers, b"")
        self.stream = stream

    @property
    def events(self) -> list[Event]:
        """The last events, see `Stream.keep`."""
        return list(self.stream.kept)


def content_failure(declared: Stream, headers: RawHeaders) -> str | None:
    """Return why a response is not the declared stream, by its type; None if it is."""
    if declared.format != "sse":
        return None
    found = b", ".join(values_of(headers, b"content-type")).decode("latin-1")
    if found.partition(";")[0].strip().lower() == "text/event-stream":
        return None
    return f"content type {found or 'missing'!r}, expected 'text/event-stream'"


def _check(check: EventCheck, event: Event) -> str | None:
    """Return what is wrong with an event; None if nothing is."""
    if isinstance(check, str):
        return None if check in event.data else f"{event.data[:200]!r} does not contain {check!r}"
    try:
        wrong: Any = check(event)
    except Exception as error:  # noqa: BLE001  a check may raise anything on unexpected content
        return f"{type(error).__name__}: {error}"
    if wrong is None or wrong is True:
        return None
    return wrong if isinstance(wrong, str) and wrong else f"the check returned {wrong!r}"
