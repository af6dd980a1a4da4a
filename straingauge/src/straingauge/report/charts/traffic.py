"""Charts of requests and errors by interval, and of the parts of the response time."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from straingauge.report.charts.chart_data import Chart, limit_lines, placeholder, series
from straingauge.report.charts.latency import NOT_KEPT
from straingauge.report.parts import UNATTRIBUTED, ordered
from straingauge.statistics.distribution import Distribution

_STYLES: Final = {"succeeded": "ok", "errors": "failed", "rate limited": "limited"}
FAILED: Final = "failed"
"""Errors of results that do not have their kinds over time."""
OTHER: Final = "other"
Rows = Sequence[Mapping[str, Any]]


def rate(rows: Rows, times: Sequence[Distribution]) -> Chart:
    """Requests per second by outcome."""
    title = "Requests per second"
    if not rows:
        return placeholder("rate", title, NOT_KEPT)
    kinds: dict[str, list[float | None]] = {}
    for row, each in zip(rows, times, strict=True):
        counts = {"succeeded": each.count}
        if not _has_no_counts(row):
            failed, limited = row["errors"], row["rate_limited"]
            counts = {"succeeded": row["requests"] - failed - limited}
            counts |= {"errors": failed, "rate limited": limited}
        for name, count in counts.items():
            kinds.setdefault(name, []).append(count / row["duration_s"])
    return {
        "id": "rate",
        "title": title,
        "unit": "/s",
        "kind": "stack",
        **_over(rows),
        "series": [
            series(name, y, _STYLES[name])
            for name, y in kinds.items()
            if name == "succeeded" or any(y)
        ],
        "limits": [],
        "placeholder": None,
    }


def errors(result: Mapping[str, Any], rows: Rows, where: str) -> Chart:
    """Percentage of requests that failed, by kind and status; rate-limited ones do not count."""
    title = "Errors"
    if not rows or _has_no_counts(rows[0]):
        return placeholder("errors", title, NOT_KEPT)
    if not any(row["errors"] for row in rows):
        return placeholder("errors", title, "no errors")
    kinds = _error_kinds(rows)
    return {
        "id": "errors",
        "title": title,
        "unit": "%",
        "kind": "stack",
        **_over(rows),
        "series": [
            series(
                name,
                [
                    100 * count / row["requests"] if row["requests"] else None
                    for row, count in zip(rows, counts, strict=True)
                ],
                _error_style(name, number, kinds),
            )
            for number, (name, counts) in enumerate(kinds.items())
        ],
        "limits": limit_lines(result, "error_rate_percent", where, ""),
        "placeholder": None,
    }


def _error_kinds(rows: Rows) -> dict[str, list[int]]:
    """Return the number of errors of each interval by kind, the largest first and the rest last."""
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        kinds = row.get("error_kinds", {})
        untold = row["errors"] - sum(kinds.values())
        for name, count in (*kinds.items(), *([(FAILED, untold)] if untold > 0 else [])):
            found.setdefault(name, [0] * len(rows))[number] += count
    order = sorted(found, key=lambda name: (name == OTHER, -sum(found[name]), name))
    return {name: found[name] for name in order}


def _error_style(name: str, number: int, kinds: Collection[str]) -> str:
    if name == OTHER:
        return UNATTRIBUTED
    return "failed" if len(kinds) == 1 else f"s{number}"


def parts(rows: Rows, times: Sequence[Distribution], styles: Mapping[str, str]) -> Chart:
    """Mean milliseconds of a response by part, from the service's Server-Timing header."""
    title = "Response time by part"
    names = ordered(name for row in rows for name in row.get("parts_ms", {}))
    if not names:
        earlier = rows and _has_no_counts(rows[0])
        why = NOT_KEPT if earlier else "not measured: no Server-Timing header in the responses"
        return placeholder("parts", title, why)
    served = [each.count for each in times]
    return {
        "id": "parts",
        "title": title,
        "unit": "ms per request",
        "kind": "stack",
        **_over(rows),
        "series": [
            series(
                name,
                [
                    row["parts_ms"].get(name, 0) / count if count else None
                    for row, count in zip(rows, served, strict=True)
                ],
                styles.get(name),
            )
            for name in names
        ],
        "limits": [],
        "placeholder": None,
    }


def _over(rows: Rows) -> dict[str, Any]:
    return {
        "x": [row["start_s"] + row["duration_s"] / 2 for row in rows],
        "half": [row["duration_s"] / 2 for row in rows],
    }


def _has_no_counts(row: Mapping[str, Any]) -> bool:
    return "requests" not in row
