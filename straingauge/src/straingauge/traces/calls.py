"""Statements and calls to other services, over the traces of each endpoint."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from straingauge.result.format.traces import TracedCall, TracedStatement
from straingauge.traces.conventions import asks_for_lock, host, is_failed_call, statement
from straingauge.traces.tree import Node, RequestTrace

MAX_ROWS: Final = 50  # of each table of the result
_UNKNOWN_HOST: Final = "(unknown)"


@dataclass(slots=True)
class _Group:
    """Calls that count as one, over all traces of an endpoint."""

    durations_ns: list[int] = field(default_factory=list)
    per_trace: Counter[str] = field(default_factory=Counter)
    parents: Counter[str] = field(default_factory=Counter)
    errors: int = 0

    def add(self, trace: RequestTrace, node: Node, parent: Node, *, failed: bool = False) -> None:
        self.durations_ns.append(node.span.duration_ns)
        self.per_trace[trace.request.trace_id] += 1
        self.parents[parent.span.name] += 1
        self.errors += failed

    @property
    def total_ns(self) -> int:
        return sum(self.durations_ns)

    @property
    def avg_ms(self) -> float:
        return round(self.total_ns / len(self.durations_ns) / 1e6, 6)

    @property
    def max_ms(self) -> float:
        return round(max(self.durations_ns) / 1e6, 6)


def statement_calls(trace: RequestTrace) -> Iterator[tuple[str, Node, Node]]:
    """Yield the statements of a request: their text without values, span and parent.

    Where two libraries report one call, such as an ORM and its driver, it counts once: a call that
    lies within another one of a different library is the same.
    """
    calls = [
        (text, node, parent)
        for node, parent in trace.root.calls()
        if node.category == "database" and (text := statement(node.span)) is not None
    ]
    calls.sort(key=lambda call: (call[1].span.start_ns, -call[1].span.end_ns))
    outer: Node | None = None
    for text, node, parent in calls:
        if outer is not None and _is_same_call(outer, node):
            continue
        outer = node
        yield text, node, parent


def _is_same_call(outer: Node, inner: Node) -> bool:
    return inner.span.library != outer.span.library and inner.span.end_ns <= outer.span.end_ns


def traced_statements(traces: Sequence[RequestTrace]) -> list[TracedStatement]:
    """Return the statements of all endpoints, those that take most time first."""
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    for trace in traces:
        for text, node, parent in statement_calls(trace):
            groups[trace.endpoint, text].add(trace, node, parent)
    requests, whole_ns = _totals(traces)
    return [
        {
            "endpoint": endpoint,
            "statement": text,
            "parent": group.parents.most_common(1)[0][0],
            "per_request": round(len(group.durations_ns) / requests[endpoint], 4),
            "most_per_request": max(group.per_trace.values()),
            "traces": len(group.per_trace),
            "avg_ms": group.avg_ms,
            "max_ms": group.max_ms,
            "share": _share(group.total_ns, whole_ns[endpoint]),
            "is_lock": asks_for_lock(text),
        }
        for (endpoint, text), group in _longest(groups)
    ]


def traced_calls(traces: Sequence[RequestTrace]) -> list[TracedCall]:
    """Return the calls to other services, those that take most time first."""
    groups: dict[tuple[str, str], _Group] = defaultdict(_Group)
    for trace in traces:
        for node, parent in trace.root.calls():
            if node.category == "http":
                group = groups[trace.endpoint, host(node.span) or _UNKNOWN_HOST]
                group.add(trace, node, parent, failed=is_failed_call(node.span))
    requests, whole_ns = _totals(traces)
    return [
        {
            "endpoint": endpoint,
            "host": name,
            "per_request": round(len(group.durations_ns) / requests[endpoint], 4),
            "traces": len(group.per_trace),
            "calls": len(group.durations_ns),
            "errors": group.errors,
            "avg_ms": group.avg_ms,
            "max_ms": group.max_ms,
            "share": _share(group.total_ns, whole_ns[endpoint]),
        }
        for (endpoint, name), group in _longest(groups)
    ]


def _longest(
    groups: dict[tuple[str, str], _Group],
) -> Iterable[tuple[tuple[str, str], _Group]]:
    return sorted(groups.items(), key=lambda item: (-item[1].total_ns, item[0]))[:MAX_ROWS]


def _totals(traces: Sequence[RequestTrace]) -> tuple[Counter[str], Counter[str]]:
    """Return the number of traces of each endpoint, and their time in nanoseconds."""
    requests: Counter[str] = Counter(trace.endpoint for trace in traces)
    whole_ns: Counter[str] = Counter()
    for trace in traces:
        whole_ns[trace.endpoint] += trace.request.service_ns
    return requests, whole_ns


def _share(total_ns: int, whole_ns: int) -> float:
    return round(min(total_ns / whole_ns, 1.0), 4) if whole_ns else 0.0
