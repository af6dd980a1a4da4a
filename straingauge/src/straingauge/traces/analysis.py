"""Analysis of the spans of a run: pure, from export requests and the requests that were sampled."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from straingauge.number_text import count
from straingauge.recording.sampled_requests import SampledRequest
from straingauge.result.format.traces import (
    SpanCounts,
    SpanDict,
    TimeParts,
    TracedEndpoint,
    TraceDict,
    Traces,
    TraceSource,
)
from straingauge.traces.calls import statement_calls, traced_calls, traced_statements
from straingauge.traces.conventions import detail
from straingauge.traces.failures import Locate, traced_exceptions
from straingauge.traces.otlp import DamagedMessage, read_message
from straingauge.traces.span import Span
from straingauge.traces.span_buffer import SpanBuffer
from straingauge.traces.time_parts import time_parts
from straingauge.traces.tree import Node, RequestTrace, request_trace

MAX_KEPT: Final = 20
MAX_SPANS: Final = 200  # of a kept trace
MAX_CHARS: Final = 1_000  # of a name or a detail of a kept span

Requests = Mapping[str, Sequence[SampledRequest]]
"""The sampled requests, by endpoint."""


def analyze(
    buffer: SpanBuffer,
    requests: Requests,
    source: TraceSource,
    notes: Sequence[str] = (),
    *,
    locate: Locate = lambda _stack: None,
) -> Traces:
    """Relate spans to the requests that caused them, and say where the time goes.

    Args:
        buffer: The export requests that were received.
        requests: The requests that were sampled.
        source: Where the spans come from.
        notes: What was missing, if anything.
        locate: Finds the line that the stack of an exception leads to.
    """
    endpoints = {
        each.trace_id: (endpoint, each) for endpoint, all_ in requests.items() for each in all_
    }
    counts = _no_spans(buffer)
    by_trace: dict[str, list[Span]] = defaultdict(list)
    for span in _spans(buffer, counts):
        if span.trace_id in endpoints:
            by_trace[span.trace_id].append(span)
        else:
            counts["foreign"] += 1
    traces = [
        trace
        for trace_id, spans in sorted(by_trace.items())
        if (trace := request_trace(*endpoints[trace_id], spans)) is not None
    ]
    for trace in traces:
        used = sum(1 for _ in trace.root.walk())
        counts["used"] += used
        counts["skewed"] += used if trace.is_skewed else trace.skewed
        counts["without_parent"] += trace.orphans
    slowest = sorted(traces, key=lambda trace: (-trace.request.service_ns, trace.request.trace_id))
    return {
        "source": source,
        "requests": len(endpoints),
        "traced": len(traces),
        "spans": counts,
        "endpoints": _endpoints(traces),
        "statements": traced_statements(traces),
        "calls": traced_calls(traces),
        "exceptions": traced_exceptions(traces, locate),
        "kept": [_kept(trace) for trace in slowest[:MAX_KEPT]],
        "notes": [*notes, *_notes(counts, len(endpoints), len(traces))],
    }


def _no_spans(buffer: SpanBuffer) -> SpanCounts:
    return {
        "received": 0,
        "used": 0,
        "foreign": 0,
        "over_limit": buffer.over_limit,
        "damaged": 0,
        "skewed": 0,
        "without_parent": 0,
        "refused_requests": buffer.refused,
    }


def _spans(buffer: SpanBuffer, counts: SpanCounts) -> list[Span]:
    """Read all export requests; a damaged one counts as one damaged span."""
    found = []
    for message in buffer:
        try:
            for span in read_message(message.body, is_json=message.is_json):
                counts["received"] += 1
                if span is None:
                    counts["damaged"] += 1
                else:
                    found.append(span)
        except DamagedMessage:
            counts["damaged"] += 1
    return found


def _notes(counts: SpanCounts, requests: int, traced: int) -> list[str]:
    """Return a line for each thing that went wrong with the spans."""
    lines = (
        (counts["foreign"], "spans belong to requests that this run did not send"),
        (counts["damaged"], "spans or export requests could not be read"),
        (counts["over_limit"], "export requests were beyond the limit of memory"),
        (
            counts["refused_requests"],
            "requests to the receiver were not OTLP over HTTP, or too large or too many (set"
            " OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf)",
        ),
        (counts["skewed"], "spans have another clock, so the waits before them are unknown"),
        (counts["without_parent"], "spans lack their parents"),
    )
    found = [f"{number} {what}" for number, what in lines if number]
    if requests and not traced:
        found.insert(0, f"no span of {count(requests, 'sampled request')} arrived")
    return found


def _endpoints(traces: Sequence[RequestTrace]) -> dict[str, TracedEndpoint]:
    grouped: dict[str, list[RequestTrace]] = defaultdict(list)
    for trace in traces:
        grouped[trace.endpoint].append(trace)
    return {
        endpoint: {
            "traces": len(group),
            "duration_ms": _mean([trace.request.service_ns / 1e6 for trace in group]),
            "parts_ms": _mean_parts([time_parts(trace) for trace in group]),
            "statements_per_request": _mean(
                [sum(1 for _ in statement_calls(trace)) for trace in group]
            ),
        }
        for endpoint, group in sorted(grouped.items())
    }


def _mean_parts(parts: Sequence[TimeParts]) -> TimeParts:
    return {
        "queue_ms": _mean([each["queue_ms"] for each in parts]),
        "own_ms": _mean([each["own_ms"] for each in parts]),
        "database_ms": _mean([each["database_ms"] for each in parts]),
        "http_ms": _mean([each["http_ms"] for each in parts]),
        "cache_ms": _mean([each["cache_ms"] for each in parts]),
        "other_ms": _mean([each["other_ms"] for each in parts]),
        "unaccounted_ms": _mean([each["unaccounted_ms"] for each in parts]),
    }


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 6)


def _kept(trace: RequestTrace) -> TraceDict:
    """Return a trace for the result file, with its longest spans in the order of their starts."""
    nodes = list(trace.root.walk())
    below = range(1, len(nodes))
    longest = sorted(below, key=lambda number: -nodes[number][0].span.duration_ns)
    chosen = {0, *longest[: MAX_SPANS - 1]}
    first_ns = min(nodes[number][0].span.start_ns for number in chosen)
    spans = [_span(*nodes[number], first_ns) for number in sorted(chosen)]
    return {
        "trace_id": trace.request.trace_id,
        "endpoint": trace.endpoint,
        "started_unix_s": first_ns / 1e9,
        "response_ms": round(trace.request.response_ns / 1e6, 6),
        "status": trace.request.status or None,
        "spans": sorted(spans, key=lambda span: span["start_ms"]),
        "omitted_spans": len(nodes) - len(chosen),
    }


def _span(node: Node, parent: Node | None, first_ns: int) -> SpanDict:
    span = node.span
    return {
        "id": span.span_id,
        "parent_id": parent.span.span_id if parent is not None else None,
        "name": span.name[:MAX_CHARS],
        "service": span.service,
        "category": node.category,
        "start_ms": round((span.start_ns - first_ns) / 1e6, 6),
        "duration_ms": round(span.duration_ns / 1e6, 6),
        "detail": detail(span)[:MAX_CHARS],
        "is_error": span.is_error,
    }
