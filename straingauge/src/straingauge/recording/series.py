"""The measurements of one endpoint in one phase."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from straingauge.histogram import Histogram
from straingauge.recording.error_timeline import ErrorTimeline
from straingauge.recording.in_flight import InFlightTimeline
from straingauge.recording.measurements import Measurements
from straingauge.recording.sampled_requests import SampledRequest, first_sampled
from straingauge.recording.server_timings import ServerTimings
from straingauge.recording.slow_requests import SlowRequest, slowest
from straingauge.recording.timeline import Timeline

EXAMPLES_PER_KIND: Final = 5


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """One of the first errors of its kind.

    Attributes:
        time: Unix time of its end in seconds.
        kind: See `http.ErrorKind`.
        detail: A description.
        status: Status of the response; 0 without one.
        request_id: X-Request-ID of the response; empty without one.
        trace_id: Id of its trace; empty without one.
    """

    time: float
    kind: str
    detail: str
    status: int
    request_id: str
    trace_id: str = ""


class Series:
    """The measurements of one endpoint in one phase.

    *Served* requests have a response time: successes, unexpected statuses, failed checks, and
    timeouts, whose users waited at least that long. Requests without a response (refused, reset,
    ...) have none, and rate-limited ones are counted apart.

    Attributes:
        requests: All requests, with any outcome.
        statuses: Responses by status.
        errors: Failures by kind; they include exceptions of journeys, which are no requests.
        examples: The first `EXAMPLES_PER_KIND` failures of each kind.
        response: Done - intended, of served requests.
        service: Done - sent, of served requests.
        first_byte: First byte - sent, of served requests with a response.
        rate_limited: Response times of rate-limited requests.
        connect: Times to open a connection, including TLS.
        timeline: The requests over time.
        error_timeline: The failed requests over time, by kind and status.
        server_timings: Served requests with a Server-Timing header, by its parts.
        slowest: The slowest served requests, slowest first.
        sampled: Served requests whose traces were sampled, in the order of their ids.
        in_flight: Starts and ends of all requests.
        streams: Responses that were read as they came; see `stream_counts`.
        websockets: WebSockets that were closed.
        first_ns, last_ns: First intended start and last end, relative to the start of the phase;
            None without requests.
    """

    __slots__ = (
        "connect",
        "error_timeline",
        "errors",
        "examples",
        "first_byte",
        "first_ns",
        "in_flight",
        "last_ns",
        "rate_limited",
        "requests",
        "response",
        "sampled",
        "server_timings",
        "service",
        "slowest",
        "statuses",
        "streams",
        "timeline",
        "websockets",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.examples: list[Example] = []
        self.response = Histogram()
        self.service = Histogram()
        self.first_byte = Histogram()
        self.rate_limited = Histogram()
        self.connect = Histogram()
        self.timeline = Timeline()
        self.error_timeline = ErrorTimeline()
        self.server_timings = ServerTimings()
        self.slowest: list[SlowRequest] = []
        self.sampled: list[SampledRequest] = []
        self.in_flight = InFlightTimeline()
        self.streams = Measurements()
        self.websockets = Measurements()
        self.first_ns: int | None = None
        self.last_ns: int | None = None

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """All histograms, in the order of the record format."""
        return (self.response, self.service, self.first_byte, self.rate_limited, self.connect)

    def merge(self, other: "Series") -> None:
        """Add everything from another series; the order does not matter."""
        self.requests += other.requests
        self.statuses += other.statuses
        self.errors += other.errors
        self.add_examples(other.examples)
        for mine, theirs in zip(self.histograms, other.histograms, strict=True):
            mine.merge(theirs)
        self.timeline.merge(other.timeline)
        self.error_timeline.merge(other.error_timeline)
        self.server_timings.merge(other.server_timings)
        self.slowest = slowest(self.slowest + other.slowest)
        self.sampled = first_sampled(self.sampled + other.sampled)
        self.in_flight.merge(other.in_flight)
        self.streams.merge(other.streams)
        self.websockets.merge(other.websockets)
        if other.first_ns is not None and other.last_ns is not None:
            self.add_span(other.first_ns, other.last_ns)

    def add_examples(self, examples: list[Example]) -> None:
        """Keep the first examples of each kind."""
        kept: list[Example] = []
        seen: Counter[str] = Counter()
        for example in sorted(self.examples + examples):
            seen[example.kind] += 1
            if seen[example.kind] <= EXAMPLES_PER_KIND:
                kept.append(example)
        self.examples = kept

    def add_span(self, first_ns: int, last_ns: int) -> None:
        """Extend the time from the first intended start to the last end."""
        self.first_ns = first_ns if self.first_ns is None else min(self.first_ns, first_ns)
        self.last_ns = last_ns if self.last_ns is None else max(self.last_ns, last_ns)
