"""Division of the time of one request, by its spans."""

from collections.abc import Iterable
from typing import Final

from straingauge.result.format.traces import TimeParts
from straingauge.traces.conventions import is_transfer
from straingauge.traces.tree import Node, RequestTrace

_Interval = tuple[int, int]
# Of times that overlap, as with concurrent calls, the first of these counts.
_ORDER: Final = ("database", "http", "cache", "other", "transfer")


def time_parts(trace: RequestTrace) -> TimeParts:
    """Divide the time of a request from sending it to the last byte of the response.

    Calls of another service are within the call to it. What the service does after its response
    does not count.
    """
    root, request = trace.root.span, trace.request
    parts_ns = _inside(trace.root)
    whole_ns = request.service_ns
    inside_ns = min(root.duration_ns, whole_ns)
    queue_ns = 0 if trace.is_skewed else max(root.start_ns - request.sent_unix_ns, 0)
    queue_ns = min(queue_ns, whole_ns - inside_ns)
    calls_ns = sum(parts_ns.values())
    return {
        "queue_ms": queue_ns / 1e6,
        "own_ms": max(inside_ns - calls_ns, 0) / 1e6,
        "database_ms": parts_ns["database"] / 1e6,
        "http_ms": parts_ns["http"] / 1e6,
        "cache_ms": parts_ns["cache"] / 1e6,
        "other_ms": parts_ns["other"] / 1e6,
        "unaccounted_ms": (whole_ns - queue_ns - inside_ns + parts_ns["transfer"]) / 1e6,
    }


def _inside(root: Node) -> dict[str, int]:
    """Return the time within the root by the kind of its calls, in nanoseconds."""
    intervals: dict[str, list[_Interval]] = {name: [] for name in _ORDER}
    window = root.span.start_ns, root.span.end_ns
    for node, _ in root.calls():
        intervals[node.category].append(_clipped(node, window))
    for node, _ in root.walk():
        if is_transfer(node.span):
            intervals["transfer"].append(_clipped(node, window))
    found: dict[str, int] = {}
    covered: list[_Interval] = []
    before_ns = 0
    for name in _ORDER:
        covered = _union([*covered, *intervals[name]])
        covered_ns = sum(end - start for start, end in covered)
        found[name] = covered_ns - before_ns
        before_ns = covered_ns
    return found


def _clipped(node: Node, window: _Interval) -> _Interval:
    start, end = (
        min(max(at, window[0]), window[1]) for at in (node.span.start_ns, node.span.end_ns)
    )
    return start, end


def _union(intervals: Iterable[_Interval]) -> list[_Interval]:
    joined: list[_Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        elif end > start:
            joined.append((start, end))
    return joined
