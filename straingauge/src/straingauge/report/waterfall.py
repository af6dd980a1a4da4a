"""The traces of a run as tables, and the slowest ones as waterfalls of spans."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from straingauge.number_text import count, number, share
from straingauge.report.locations import one_line
from straingauge.report.text import Result

MOST_TRACES, MOST_SPANS, MOST_ROWS = 10, 60, 20
REPEATED: Final = 3  # equal spans in a row from which they share one row
PARTS: Final = (
    ("queue_ms", "queue", "s7"),
    ("own_ms", "own", "s0"),
    ("database_ms", "database", "s1"),
    ("http_ms", "other services", "s2"),
    ("cache_ms", "cache", "s3"),
    ("other_ms", "other", "s5"),
    ("unaccounted_ms", "unaccounted", "unattributed"),
)
_CATEGORIES: Final[Mapping[str, tuple[str, str]]] = {
    "server": ("request", "s4"),
    "own": ("own", "s0"),
    "database": ("database", "s1"),
    "http": ("other service", "s2"),
    "cache": ("cache", "s3"),
    "other": ("other", "s5"),
}


def traces(result: Result) -> dict[str, Any] | None:
    """Return tables and waterfalls of the traces; None without any."""
    found = result.get("traces")
    if not found:
        return None
    return {
        "summary": f"{count(found['traced'], 'traced request')} of {found['requests']:,},"
        f" {count(found['spans']['used'], 'span')}",
        "notes": found["notes"],
        "endpoints": [_endpoint(name, each) for name, each in found["endpoints"].items()],
        "statements": [
            {
                "endpoint": each["endpoint"],
                "per_request": number(each["per_request"]),
                "avg": number(each["avg_ms"]),
                "share": share(each["share"]),
                "parent": each["parent"],
                "query": one_line(each["statement"]),
            }
            for each in found["statements"][:MOST_ROWS]
        ],
        "calls": [
            {
                "endpoint": each["endpoint"],
                "host": each["host"],
                "per_request": number(each["per_request"]),
                "avg": number(each["avg_ms"]),
                "max": number(each["max_ms"]),
                "errors": each["errors"],
                "share": share(each["share"]),
            }
            for each in found["calls"][:MOST_ROWS]
        ],
        "kept": [_waterfall(trace) for trace in found["kept"][:MOST_TRACES]],
    }


def _endpoint(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    total = max(sum(found["parts_ms"].values()), 1e-9)
    return {
        "endpoint": name,
        "traces": found["traces"],
        "duration": number(found["duration_ms"]),
        "statements": number(found["statements_per_request"]),
        "parts": [
            {
                "name": title,
                "style": style,
                "share": {
                    "value": found["parts_ms"][key] / total,
                    "text": f"{number(found['parts_ms'][key])} ms",
                },
            }
            for key, title, style in PARTS
        ],
    }


@dataclass(frozen=True, slots=True)
class _Nested:
    """A span and its depth below the first one."""

    span: Mapping[str, Any]
    depth: int


def _waterfall(trace: Mapping[str, Any]) -> dict[str, Any]:
    spans: Sequence[Mapping[str, Any]] = trace["spans"]
    end_ms = max((each["start_ms"] + each["duration_ms"] for each in spans), default=0.0)
    groups = [
        _row([each.span for each in equal], equal[0].depth, max(end_ms, 1e-9))
        for equal in _grouped(_nested(spans))
    ]
    omitted = trace["omitted_spans"] + max(0, len(groups) - MOST_SPANS)
    took_ms = trace["response_ms"]
    return {
        "trace_id": trace["trace_id"],
        "endpoint": trace["endpoint"],
        "took": number(end_ms if took_ms is None else took_ms, "ms"),
        "status": trace["status"] or "none",
        "spans": count(len(spans) + trace["omitted_spans"], "span"),
        "rows": groups[:MOST_SPANS],
        "omitted": count(omitted, "span") if omitted else "",
    }


def _nested(spans: Sequence[Mapping[str, Any]]) -> Iterator[_Nested]:
    """Yield the spans, each after its parent; one whose parent is missing is an outermost one."""
    ids = {each["id"] for each in spans}
    children: dict[str | None, list[Mapping[str, Any]]] = {}
    for each in spans:
        parent = each["parent_id"] if each["parent_id"] != each["id"] else None
        children.setdefault(parent if parent in ids else None, []).append(each)
    waiting = [_Nested(each, 0) for each in reversed(children.pop(None, []))]
    while waiting:
        found = waiting.pop()
        yield found
        below = children.pop(found.span["id"], [])
        waiting += [_Nested(each, found.depth + 1) for each in reversed(below)]


def _grouped(spans: Iterator[_Nested]) -> Iterator[list[_Nested]]:
    """Yield runs of equal spans, and every other span alone."""
    for _, run in groupby(spans, key=_identity):
        equal = [*run]
        if len(equal) >= REPEATED:
            yield equal
        else:
            yield from ([each] for each in equal)


def _identity(each: _Nested) -> tuple[object, ...]:
    span = each.span
    return each.depth, span["parent_id"], span["name"], span["category"], span["detail"]


def _row(spans: Sequence[Mapping[str, Any]], depth: int, end_ms: float) -> dict[str, Any]:
    first = spans[0]
    words, style = _CATEGORIES.get(first["category"], ("other", "s5"))
    took_ms = sum(each["duration_ms"] for each in spans)
    return {
        "depth": depth,
        "times": len(spans) if len(spans) > 1 else 0,
        "name": first["name"],
        "detail": one_line(first["detail"]) if first["detail"] != first["name"] else "",
        "category": words,
        "is_error": any(each["is_error"] for each in spans),
        "start": number(first["start_ms"]),
        "took": number(took_ms),
        "style": style,
        "bars": [
            {
                "left": f"{100 * max(0.0, each['start_ms']) / end_ms:.2f}",
                "width": f"{max(0.2, 100 * each['duration_ms'] / end_ms):.2f}",
            }
            for each in spans
        ],
    }
