"""Export requests of OTLP for tests, as services send them."""

import json
from collections.abc import Sequence
from typing import Any

from straingauge.recording.sampled_requests import SampledRequest

PREFIX = "00112233445566aa"
SENDER = "00000000000000f1"
BEGIN_NS = 1_700_000_000_000_000_000
MS = 1_000_000
KINDS = {"own": 1, "server": 2, "client": 3}

SELECT = {"db.system": "postgresql", "db.statement": "SELECT name FROM books WHERE id = $1"}


def trace_id(number: int) -> str:
    """Return the id of one of the run's traces."""
    return f"{PREFIX}{number:016x}"


def request(
    number: int, service_ms: float = 100.0, *, sender: str = SENDER, status: int = 200
) -> SampledRequest:
    """Return a request that was sent at `BEGIN_NS`."""
    took_ns = int(service_ms * MS)
    return SampledRequest(trace_id(number), sender, BEGIN_NS, took_ns + MS, took_ns, status)


def span(
    id_: int,
    parent: int | str,
    start_ms: float,
    end_ms: float,
    *,
    trace: int = 1,
    name: str = "GET /books",
    kind: str = "client",
    attributes: dict[str, str | int] | None = None,
    is_error: bool = False,
    stacks: Sequence[str] = (),
) -> dict[str, Any]:
    """Return a span in OTLP's JSON; times are relative to the request.

    `stacks` are those of KeyErrors, the events of a span.
    """
    return {
        "events": [
            {
                "name": "exception",
                "attributes": [
                    {"key": "exception.type", "value": {"stringValue": "KeyError"}},
                    {"key": "exception.stacktrace", "value": {"stringValue": stack}},
                ],
            }
            for stack in stacks
        ],
        "traceId": trace_id(trace),
        "spanId": f"{id_:016x}",
        "parentSpanId": parent if isinstance(parent, str) else f"{parent:016x}",
        "name": name,
        "kind": KINDS[kind],
        "startTimeUnixNano": str(BEGIN_NS + int(start_ms * MS)),
        "endTimeUnixNano": str(BEGIN_NS + int(end_ms * MS)),
        "attributes": [
            {
                "key": key,
                "value": {"intValue": str(value)}
                if isinstance(value, int)
                else {"stringValue": value},
            }
            for key, value in (attributes or {}).items()
        ],
        "status": {"code": 2} if is_error else {},
    }


def root(end_ms: float = 95.0, *, trace: int = 1, start_ms: float = 2.0) -> dict[str, Any]:
    """Return the span of the service's framework, with id 1."""
    return span(1, SENDER, start_ms, end_ms, trace=trace, kind="server")


def message(spans: Sequence[dict[str, Any]], library: str = "driver") -> bytes:
    """Return an export request of one library of one service."""
    scopes = [{"scope": {"name": library}, "spans": list(spans)}]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "books"}}]}
    return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}).encode()
