"""The declaration of a response that is read as it comes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Literal, TypeAlias

from straingauge.http.streaming.event import Event
from straingauge.http.streaming.tokens import has_token

StreamFormat: TypeAlias = Literal["sse", "ndjson", "chunks"]
EventCheck: TypeAlias = Callable[[Event], str | None] | str
"""Returns None if an event is correct, else a text that says what is wrong; or a text that each
event must contain."""

FORMATS: Final = ("sse", "ndjson", "chunks")
LLM: Final = "llm"
# Users notice a pause of this length and lose the flow of their thoughts: Nielsen, Usability
# Engineering (1993), chapter 5.
STALL_S: Final = 1.0
MAX_EVENT_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """The way in which the response to a request is read as it comes.

        yield user.get("/prices", stream="sse")
        yield user.get("/prices", stream=Stream(format="sse", max_events=20, stall_s=0.5))
        yield user.post("/v1/chat/completions", json=prompt, stream="llm")

    The time limit of the whole stream is the request's `timeout_s`: reaching it is a failure.
    `max_events` and `max_s` end the stream on purpose, which is none.

    Attributes:
        format: "sse" (server-sent events), "ndjson" (a line each) or "chunks" (as they arrive).
        end: Data of the event that ends the stream, such as "[DONE]"; it is not counted. A stream
            that ends without it has failed. None: the stream ends with the response.
        tokens: Tells whether an event brings a token, for the time to the first token and the
            inter-token latency: True for the formats of common services, see `has_token`; or a
            function of the event.
        checks: Checks of each event; the first one that fails ends the stream.
        min_events: A stream with fewer events has failed.
        max_events: The client closes the stream after this number of events.
        max_s: The client closes the stream this long after the request.
        stall_s: A longer gap between two events, or before the end, is counted as a stall.
        keep: Number of last events that the response keeps.
        max_event_bytes: A larger event is a failure.

    Raises:
        ValueError: A value cannot be used.
    """

    format: StreamFormat = "sse"
    end: str | None = None
    tokens: bool | Callable[[Event], Any] = False
    checks: Sequence[EventCheck] = ()
    min_events: int = 1
    max_events: int | None = None
    max_s: float | None = None
    stall_s: float = STALL_S
    keep: int = 16
    max_event_bytes: int = MAX_EVENT_BYTES

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            known = ", ".join(FORMATS)
            raise ValueError(f"the format of a stream is one of {known}, not {self.format!r}")
        object.__setattr__(self, "checks", _as_checks(self.checks))
        for name in ("max_s", "stall_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < inf:
                raise ValueError(f"{name} of a stream must be more than 0, not {value}")
        for name, least in (("min_events", 0), ("max_events", 1), ("keep", 0)):
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise ValueError(f"{name} of a stream must be {least} or more, not {value}")
        if self.max_events is not None and self.max_events < self.min_events:
            raise ValueError("max_events of a stream must not be less than min_events")
        if not self.max_event_bytes > 0:
            raise ValueError("max_event_bytes of a stream must be more than 0")

    @property
    def is_endless(self) -> bool:
        """Nothing but the server, or the end of the load, ends the stream."""
        return self.end is None and self.max_events is None and self.max_s is None

    @property
    def token_test(self) -> Callable[[Event], Any] | None:
        """The function that finds tokens; None without one."""
        return has_token if self.tokens is True else self.tokens or None


def _as_checks(checks: Sequence[EventCheck]) -> tuple[EventCheck, ...]:
    if isinstance(checks, str) or callable(checks):
        raise ValueError("checks of a stream are a list of texts and functions")  # noqa: TRY004  as others
    for check in checks:
        if not isinstance(check, str) and not callable(check):
            raise ValueError(f"a check of a stream is a text or a function, not {check!r}")  # noqa: TRY004
    return tuple(checks)


_BY_NAME: Final = {
    "sse": Stream(format="sse"),
    "ndjson": Stream(format="ndjson"),
    "chunks": Stream(format="chunks"),
    LLM: Stream(format="sse", end="[DONE]", tokens=True),
}


def as_stream(stream: "Stream | str | None") -> Stream | None:
    """Return the declaration that a name stands for: a format, or "llm".

    "llm" is a stream of server-sent events that ends with "[DONE]", with tokens.

    Raises:
        ValueError: There is no such name.
    """
    if stream is None or isinstance(stream, Stream):
        return stream
    if isinstance(stream, str) and stream in _BY_NAME:
        return _BY_NAME[stream]
    raise ValueError(f"stream is a Stream or one of {', '.join(_BY_NAME)}, not {stream!r}")
