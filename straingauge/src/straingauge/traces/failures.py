"""The exceptions of requests that failed, from their spans."""

from collections import Counter
from collections.abc import Callable, Iterable

from straingauge.result.format.profile import CodeLine
from straingauge.result.format.traces import TracedException
from straingauge.traces.span import SpanException
from straingauge.traces.tree import RequestTrace

MAX_EXCEPTIONS = 20
SERVER_ERROR = 500

Locate = Callable[[str], CodeLine | None]
"""Returns the line of the service's own code that a stack leads to, if it can be read."""


def traced_exceptions(traces: Iterable[RequestTrace], locate: Locate) -> list[TracedException]:
    """Return the exceptions of requests that were answered with 5xx or not at all, by their number.

    Each request counts once, by the exception that left the outermost span.
    """
    counts: Counter[tuple[str, int, str, str, int, str]] = Counter()
    for trace in traces:
        status = trace.request.status
        raised = _outermost(trace) if not status or status >= SERVER_ERROR else None
        if raised is not None:
            place = locate(raised.stack) or {"file": "", "line": 0, "function": ""}
            counts[
                trace.endpoint,
                status,
                raised.kind,
                place["file"],
                place["line"],
                place["function"],
            ] += 1
    return [
        {
            "endpoint": endpoint,
            "status": status or None,
            "type": kind,
            "file": file or None,
            "line": line or None,
            "function": function or None,
            "traces": count,
        }
        for (endpoint, status, kind, file, line, function), count in counts.most_common(
            MAX_EXCEPTIONS
        )
    ]


def _outermost(trace: RequestTrace) -> SpanException | None:
    for node, _parent in trace.root.walk():
        if node.span.exceptions:
            return node.span.exceptions[-1]
    return None
