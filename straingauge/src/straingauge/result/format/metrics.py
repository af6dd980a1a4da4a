"""The measurements in a result; `schemas/result-1.schema.json` describes each field."""

from typing import NotRequired, TypedDict


class ConfidenceInterval(TypedDict):
    """The 95 % confidence interval of a percentile, or the reason why there is none."""

    low: float | None
    high: float | None
    reason: str | None


class ConfidenceIntervals(TypedDict):
    """The confidence interval of each percentile."""

    p50: ConfidenceInterval
    p95: ConfidenceInterval
    p99: ConfidenceInterval


class Times(TypedDict):
    """Average, extremes and percentiles of times in milliseconds; None if nothing was measured."""

    avg: float | None
    min: float | None
    max: float | None
    p50: float | None
    p95: float | None
    p99: float | None
    samples: int
    overflow: int
    confidence_intervals: ConfidenceIntervals
    percentiles: NotRequired[dict[str, float | None]]


class ErrorExample(TypedDict):
    """One error; `time` is Unix time in seconds."""

    time: float
    kind: str
    detail: str
    status: int | None
    request_id: str | None
    trace_id: NotRequired[str | None]


class Errors(TypedDict):
    """Number of errors by kind, and the first examples of each."""

    kinds: dict[str, int]
    examples: list[ErrorExample]


class ServerTimingPart(TypedDict):
    """Times of one Server-Timing part, and its share of the response time, 0 to 1."""

    avg_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    share: float
    share_slowest: float


class ServerTiming(TypedDict):
    """The parts of the response time that the service reports, by name."""

    responses: int
    parts: dict[str, ServerTimingPart]


class SlowRequest(TypedDict):
    """One of the slowest requests; `start_s` is its intended start in the phase."""

    endpoint: str
    start_s: float
    response_ms: float
    service_ms: float
    status: int | None
    request_id: str | None
    trace_id: NotRequired[str | None]
    parts_ms: dict[str, float]


class Stalls(TypedDict):
    """Times in which several requests were in flight and none was answered."""

    count: int
    longest_ms: float
    total_s: float
    period_s: float | None
    peak_waiting: int


class Degradation(TypedDict):
    """Trend of the response times during the load, with its confidence interval."""

    percent_per_minute: float
    low_percent_per_minute: float
    high_percent_per_minute: float


class Warmup(TypedDict):
    """The warm-up that was detected and excluded."""

    duration_s: float
    requests: int
    reason: str


class StreamMetrics(TypedDict):
    """Responses that were read as they came, such as server-sent events.

    `events_per_stream` has numbers of events, in the form of times.
    """

    streams: int
    events: int
    stalls: int
    body_bytes: int
    ended: dict[str, int]
    first_event_ms: Times
    event_gap_ms: Times
    duration_ms: Times
    events_per_stream: Times
    tokens: NotRequired[int]
    time_to_first_token_ms: NotRequired[Times]
    inter_token_latency_ms: NotRequired[Times]


class WebSocketMetrics(TypedDict):
    """WebSockets that were closed, with their messages in both directions."""

    websockets: int
    sent: int
    received: int
    sent_bytes: int
    received_bytes: int
    pings: int
    dropped: int
    close_codes: dict[str, int]
    duration_ms: Times


class Traffic(TypedDict):
    """Counts and times of any set of requests."""

    total_requests: int
    duration_s: float
    throughput_rps: float
    error_rate_percent: float
    rate_limited: int
    latency_ms: Times
    service_time_ms: Times
    first_byte_ms: Times
    connect_ms: Times
    server_timing: ServerTiming | None
    streams: NotRequired[StreamMetrics]
    websockets: NotRequired[WebSocketMetrics]


class Metrics(Traffic):
    """The main phase, over all endpoints."""

    slowest: list[SlowRequest]
    stalls: Stalls
    degradation: Degradation | None
    warmup: Warmup | None


class SeriesMetrics(Traffic):
    """The requests of one endpoint, or of one phase."""

    status_codes: dict[str, int]
    errors: Errors


class TransactionHistograms(TypedDict):
    """Times of completed transactions, HdrHistogram V2, base64: without and with pauses."""

    response: str
    duration: str


class TransactionMetrics(TypedDict):
    """The transactions of one name in the main phase; `latency_ms` is without pauses."""

    completed: int
    failed: int
    abandoned: int
    error_rate_percent: float
    latency_ms: Times
    duration_ms: Times
    failed_ms: Times
    histograms_ns: NotRequired[TransactionHistograms]


class ScenarioEndpoint(SeriesMetrics):
    """One endpoint of one scenario in the main phase."""

    histograms_ns: NotRequired["Histograms"]


class ScenarioMetrics(Traffic):
    """One scenario in the main phase, with its endpoints and transactions.

    `start_delay_p99_ms` is that of the process with the largest.
    """

    tags: list[str]
    start_s: float
    journeys: int
    dropped: int
    waited: int
    start_delay_p99_ms: float
    valid: bool
    endpoints: dict[str, ScenarioEndpoint]
    transactions: dict[str, TransactionMetrics]
    histograms_ns: NotRequired["Histograms"]


class TagMetrics(Traffic):
    """The scenarios with a tag in the main phase, taken together."""

    scenarios: list[str]


class PhaseMetrics(SeriesMetrics):
    """One phase, over all endpoints."""

    slowest: list[SlowRequest]
    stalls: Stalls


class Interval(TypedDict):
    """The requests that were due within this time; `histogram_ns` is HdrHistogram V2, base64.

    `error_kinds` has the number of failed ones by kind, unexpected statuses apart.
    """

    start_s: float
    duration_s: float
    requests: int
    errors: int
    error_kinds: NotRequired[dict[str, int]]
    rate_limited: int
    longest_ms: float | None
    histogram_ns: str | None
    parts_ms: dict[str, float]


class Histograms(TypedDict):
    """Response times and service times, HdrHistogram V2, base64."""

    response: str
    service: str


class EndpointMetrics(SeriesMetrics):
    """One endpoint in the main phase. While a run continues, its histograms are absent."""

    histograms_ns: NotRequired[Histograms]
    intervals: NotRequired[list[Interval]]
