"""What was sent and what became of it, interval by interval, and where the service's time went."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from straingauge.report.charts.chart import Chart, limit_lines, placeholder, series
from straingauge.report.charts.latency import OF_EARLIER, Times

_STYLES: Final = {"answered": "ok", "errors": "failed", "rate limited": "limited"}
Rows = Sequence[Mapping[str, Any]]


def rate(rows: Rows, times: Sequence[Times]) -> Chart:
    """Requests per second by what became of them."""
    title = "Requests per second"
    if not rows:
        return placeholder("rate", title, OF_EARLIER)
    kinds: dict[str, list[float | None]] = {}
    for row, each in zip(rows, times, strict=True):
        counts = {"answered": int(each[1].sum())}
        if not _of_earlier(row):
            failed, limited = row["errors"], row["rate_limited"]
            counts = {"answered": row["requests"] - failed - limited}
            counts |= {"errors": failed, "rate limited": limited}
        for name, count in counts.items():
            kinds.setdefault(name, []).append(count / row["length_s"])
    return {
        "id": "rate",
        "title": title,
        "unit": "/s",
        "kind": "stack",
        **_over(rows),
        "series": [
            series(name, y, _STYLES[name])
            for name, y in kinds.items()
            if name == "answered" or any(y)
        ],
        "limits": [],
        "instead": None,
    }


def errors(result: Mapping[str, Any], rows: Rows, where: str) -> Chart:
    """The share of requests that failed; rate-limited ones are no errors."""
    title = "Errors"
    if not rows or _of_earlier(rows[0]):
        return placeholder("errors", title, OF_EARLIER)
    if not any(row["errors"] for row in rows):
        return placeholder("errors", title, "no errors")
    y = [100 * row["errors"] / row["requests"] if row["requests"] else None for row in rows]
    return {
        "id": "errors",
        "title": title,
        "unit": "%",
        "kind": "lines",
        **_over(rows),
        "series": [series("failed", y, "failed")],
        "limits": limit_lines(result, "error_rate_percent", where, ""),
        "instead": None,
    }


def parts(rows: Rows, times: Sequence[Times]) -> Chart:
    """Milliseconds of each response by part, as the service's Server-Timing header tells."""
    title = "Where the response time goes"
    names = sorted({name for row in rows for name in row.get("parts_ms", {})}, key=_order)
    if not names:
        earlier = rows and _of_earlier(rows[0])
        why = OF_EARLIER if earlier else "not measured: no Server-Timing header in the responses"
        return placeholder("parts", title, why)
    served = [int(each[1].sum()) for each in times]
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
                "rest" if name == "rest" else None,
            )
            for name in names
        ],
        "limits": [],
        "instead": None,
    }


def _over(rows: Rows) -> dict[str, Any]:
    return {
        "x": [row["start_s"] + row["length_s"] / 2 for row in rows],
        "half": [row["length_s"] / 2 for row in rows],
    }


def _of_earlier(row: Mapping[str, Any]) -> bool:
    return "requests" not in row


def _order(name: str) -> tuple[bool, str]:
    """What the service did not name comes last, on top."""
    return name in ("rest", "other"), name
