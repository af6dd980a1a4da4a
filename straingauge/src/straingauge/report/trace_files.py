"""The kept traces of results as files of other tools.

`jaeger` is the JSON that the page of Jaeger reads (*JSON File*); `otlp` that of OpenTelemetry,
which Grafana Tempo, Jaeger and collectors take at ``/v1/traces``.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from straingauge.report.text import Result
from straingauge.result.format.traces import SpanDict, TraceDict

_KINDS: Final[Mapping[str, int]] = {"server": 2, "own": 1}  # of OTLP; the others are client spans
_CLIENT: Final = 3
_DETAIL: Final[Mapping[str, str]] = {"database": "db.query.text", "cache": "db.query.text"}
_NS: Final = 1_000_000  # in a millisecond


def jaeger(results: Sequence[Result]) -> str:
    """Return the kept traces of all results as Jaeger's JSON."""
    data = [_jaeger_trace(trace, start_ns) for trace, start_ns in _traces(results)]
    return json.dumps({"data": data}, indent=2) + "\n"


def otlp(results: Sequence[Result]) -> str:
    """Return the kept traces of all results as an OTLP export request in JSON."""
    by_service: dict[str, list[dict[str, Any]]] = {}
    for trace, start_ns in _traces(results):
        for span in trace["spans"]:
            found = by_service.setdefault(span["service"], [])
            found.append(_otlp_span(trace["trace_id"], span, start_ns))
    resources = [
        {
            "resource": {"attributes": [_attribute("service.name", service)]},
            "scopeSpans": [{"scope": {"name": "straingauge"}, "spans": spans}],
        }
        for service, spans in by_service.items()
    ]
    return json.dumps({"resourceSpans": resources}, indent=2) + "\n"


def _traces(results: Sequence[Result]) -> Iterator[tuple[TraceDict, int]]:
    """Yield the kept traces, each with its start in nanoseconds of Unix time."""
    for result in results:
        started_at = result.get("load_started_at", result["started_at"])
        begun_s = datetime.fromisoformat(started_at).timestamp()
        found = result.get("traces")
        for trace in found["kept"] if found else ():
            yield trace, round(trace.get("started_unix_s", begun_s) * 1e9)


def _jaeger_trace(trace: TraceDict, start_ns: int) -> dict[str, Any]:
    services = sorted({span["service"] for span in trace["spans"]})
    processes = {service: f"p{number}" for number, service in enumerate(services, start=1)}
    trace_id = trace["trace_id"]
    return {
        "traceID": trace_id,
        "spans": [
            {
                "traceID": trace_id,
                "spanID": span["id"],
                "operationName": span["name"],
                "references": [
                    {"refType": "CHILD_OF", "traceID": trace_id, "spanID": span["parent_id"]}
                ]
                if span["parent_id"]
                else [],
                "startTime": (start_ns + round(span["start_ms"] * _NS)) // 1000,
                "duration": round(span["duration_ms"] * 1000),
                "tags": [
                    {"key": key, "type": "string", "value": value}
                    for key, value in _attributes(span).items()
                ],
                "logs": [],
                "processID": processes[span["service"]],
                "warnings": None,
            }
            for span in trace["spans"]
        ],
        "processes": {
            key: {"serviceName": service, "tags": []} for service, key in processes.items()
        },
        "warnings": None,
    }


def _otlp_span(trace_id: str, span: SpanDict, start_ns: int) -> dict[str, Any]:
    begun_ns = start_ns + round(span["start_ms"] * _NS)
    return {
        "traceId": trace_id,
        "spanId": span["id"],
        "parentSpanId": span["parent_id"] or "",
        "name": span["name"],
        "kind": _KINDS.get(span["category"], _CLIENT),
        "startTimeUnixNano": str(begun_ns),
        "endTimeUnixNano": str(begun_ns + round(span["duration_ms"] * _NS)),
        "attributes": [_attribute(key, value) for key, value in _attributes(span).items()],
        "status": {"code": 2} if span["is_error"] else {},
    }


def _attributes(span: SpanDict) -> dict[str, str]:
    kind = "server" if span["category"] == "server" else "client"
    found = {"straingauge.category": span["category"], "span.kind": kind}
    if span["category"] == "own":
        found["span.kind"] = "internal"
    if span["detail"]:
        found[_DETAIL.get(span["category"], "url.full")] = span["detail"]
    if span["is_error"]:
        found["error"] = "true"
    return found


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}
