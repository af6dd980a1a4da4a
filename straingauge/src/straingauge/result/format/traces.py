"""The traces in a result: spans of a few requests, and what they say about each endpoint."""

from typing import Literal, NotRequired, TypedDict

SpanCategory = Literal["server", "own", "database", "http", "cache", "other"]
"""Kind of operation; "own" is a span within the service's own code, "http" a request to
another service, "other" any other call, such as one of a message queue."""

TraceSource = Literal["explain", "service"]
"""The spans came from an explain pass, or from a service that exports them anyway."""


class SpanDict(TypedDict):
    """One span of a trace; `start_ms` is relative to the trace's first instant.

    `detail` is the statement, the URL without its query, or the command; empty where unknown.
    """

    id: str
    parent_id: str | None
    name: str
    service: str
    category: SpanCategory
    start_ms: float
    duration_ms: float
    detail: str
    is_error: bool


class TraceDict(TypedDict):
    """One request with its spans, in the order of their starts; outer ones first.

    `response_ms` is the time that the generator measured; None if it is unknown.
    `started_unix_s` is Unix time by the clock of the service.
    """

    trace_id: str
    endpoint: str
    started_unix_s: NotRequired[float]
    response_ms: float | None
    status: int | None
    spans: list[SpanDict]
    omitted_spans: int


class TimeParts(TypedDict):
    """Mean times of a request, whose sum is its response time.

    `queue_ms` passes before the service's first span, `unaccounted_ms` after its last one and
    while it reads the request or sends the response.
    """

    queue_ms: float
    own_ms: float
    database_ms: float
    http_ms: float
    cache_ms: float
    other_ms: float
    unaccounted_ms: float


class TracedEndpoint(TypedDict):
    """One endpoint, over its traces."""

    traces: int
    duration_ms: float
    parts_ms: TimeParts
    statements_per_request: float


class TracedStatement(TypedDict):
    """One statement of one endpoint; those that differ only in values are the same."""

    endpoint: str
    statement: str
    parent: str
    per_request: float
    most_per_request: int
    traces: int
    avg_ms: float
    max_ms: float
    share: float
    is_lock: bool


class TracedCall(TypedDict):
    """Requests to another service, by its host and the endpoint that sends them."""

    endpoint: str
    host: str
    per_request: float
    traces: int
    calls: int
    errors: int
    avg_ms: float
    max_ms: float
    share: float


class TracedException(TypedDict):
    """An exception of requests to one endpoint that were answered with 5xx, or not at all.

    `file`, `line` and `function` are the nearest ones of the service's own code; None if the stack
    is not one of Python. `status` is None without a response.
    """

    endpoint: str
    status: int | None
    type: str
    file: str | None
    line: int | None
    function: str | None
    traces: int


class SpanCounts(TypedDict):
    """Spans by what became of them, and requests to the receiver that were refused."""

    received: int
    used: int
    foreign: int
    over_limit: int
    damaged: int
    skewed: int
    without_parent: int
    refused_requests: int


class Traces(TypedDict):
    """Analysis of the spans of a run.

    `statements` and `calls` have those that take most time first. `share` is one of the endpoint's
    response time, 0 to 1. `exceptions` are missing in results of older versions. `kept` has the
    slowest traces. `notes` say what was missing.
    """

    source: TraceSource
    requests: int
    traced: int
    spans: SpanCounts
    endpoints: dict[str, TracedEndpoint]
    statements: list[TracedStatement]
    calls: list[TracedCall]
    exceptions: NotRequired[list[TracedException]]
    kept: list[TraceDict]
    notes: list[str]
