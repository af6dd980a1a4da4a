"""What was measured of one endpoint in one phase."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from straingauge.histogram import Histogram
from straingauge.recording.in_flight import InFlightTimeline
from straingauge.recording.server_timings import ServerTimings
from straingauge.recording.slow_requests import SlowRequest, slowest
from straingauge.recording.timeline import Timeline

EXAMPLES_OF_A_KIND: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """One of the first errors of its kind.

    Attributes:
        time: when it ended, in seconds since the epoch.
        kind: see `http.ErrorKind`.
        detail: in words.
        status: of the response, 0 without one.
        request_id: the response's X-Request-ID, "" without one.
    """

    time: float
    kind: str
    detail: str
    status: int
    request_id: str


class Series:
    """Everything measured of one endpoint in one phase.

    *Served* is what has a latency: successes, wrong statuses, failed checks, and timeouts, whose
    users waited at least that long. Requests that never got an answer (refused, reset, ...) have
    none, and rate-limited ones are kept apart.

    Attributes:
        requests: all that were made, whatever became of them.
        statuses: responses by status.
        errors: failures by kind; journey errors among them, though they are no requests.
        examples: the first `EXAMPLES_OF_A_KIND` failures of each kind.
        response: done - intended, of the served.
        service: done - sent, of the served.
        first_byte: first byte - sent, of the served that have one.
        limited: response time of the rate-limited.
        connect: time to open a connection, TLS included.
        timeline: the same second by second.
        parts: the served by what their Server-Timing headers named, of those that had one.
        slowest: the slowest of the served, slowest first.
        pulse: when requests began and ended, whatever became of them.
        first_ns, last_ns: first intended start and last end, in nanoseconds after the phase's
            start; None when there was no request.
    """

    __slots__ = (
        "connect",
        "errors",
        "examples",
        "first_byte",
        "first_ns",
        "last_ns",
        "limited",
        "parts",
        "pulse",
        "requests",
        "response",
        "service",
        "slowest",
        "statuses",
        "timeline",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.examples: list[Example] = []
        self.response = Histogram()
        self.service = Histogram()
        self.first_byte = Histogram()
        self.limited = Histogram()
        self.connect = Histogram()
        self.timeline = Timeline()
        self.parts = ServerTimings()
        self.slowest: list[SlowRequest] = []
        self.pulse = InFlightTimeline()
        self.first_ns: int | None = None
        self.last_ns: int | None = None

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """All its histograms, in the order of the file format."""
        return (self.response, self.service, self.first_byte, self.limited, self.connect)

    def merge(self, other: "Series") -> None:
        """Count all that the other counted. In any order, the same comes out."""
        self.requests += other.requests
        self.statuses += other.statuses
        self.errors += other.errors
        self.add_examples(other.examples)
        for mine, theirs in zip(self.histograms, other.histograms, strict=True):
            mine.merge(theirs)
        self.timeline.merge(other.timeline)
        self.parts.merge(other.parts)
        self.slowest = slowest(self.slowest + other.slowest)
        self.pulse.merge(other.pulse)
        if other.first_ns is not None and other.last_ns is not None:
            self.add_span(other.first_ns, other.last_ns)

    def add_examples(self, examples: list[Example]) -> None:
        """Keep the first ones of each kind of what was kept and these."""
        kept: list[Example] = []
        seen: Counter[str] = Counter()
        for example in sorted(self.examples + examples):
            seen[example.kind] += 1
            if seen[example.kind] <= EXAMPLES_OF_A_KIND:
                kept.append(example)
        self.examples = kept

    def add_span(self, first_ns: int, last_ns: int) -> None:
        """Widen the span from first intended start to last end."""
        self.first_ns = first_ns if self.first_ns is None else min(self.first_ns, first_ns)
        self.last_ns = last_ns if self.last_ns is None else max(self.last_ns, last_ns)
