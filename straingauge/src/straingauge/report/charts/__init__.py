"""Charts of a result as plain data; a placeholder says why one is missing."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from straingauge.report.charts.chart_data import Chart
from straingauge.report.charts.clock import clock
from straingauge.report.charts.histograms import decoded
from straingauge.report.charts.latency import curve, heatmap, over_time
from straingauge.report.charts.resources import resource_charts
from straingauge.report.charts.traffic import errors, parts, rate
from straingauge.report.parts import part_styles

WHOLE: Final = ""  # the name of all endpoints together
_IDLE: Final[Mapping[str, Any]] = {
    **dict.fromkeys(("requests", "errors", "rate_limited"), 0),
    **dict.fromkeys(("longest_ms", "histogram_ns")),
    "parts_ms": {},
    "error_kinds": {},
}


def charts(result: Mapping[str, Any]) -> dict[str, Any]:
    """All charts of a run.

    Returns:
        ``end_s``, the length of the time axis; ``clock``, its clock time; ``endpoints``, for each
        endpoint and for all together ("") its charts; ``resources``, those of the service and its
        database.
    """
    endpoints: Mapping[str, Mapping[str, Any]] = result["endpoints"]
    resources = resource_charts(result)
    views = {WHOLE: _view(result, _rows(result, result), endpoints, WHOLE)}
    for name, figures in endpoints.items():
        views[name] = _view(result, _rows(result, figures), {name: figures}, name)
    return {
        "end_s": _end_s(result, resources),
        "clock": clock(result),
        "endpoints": views,
        "resources": resources,
    }


def overview(result: Mapping[str, Any]) -> tuple[float, list[Chart]]:
    """The length of the time axis, and the charts of a run in progress.

    The last interval is omitted, since it is not over.
    """
    rows = [*_without_gaps(result["intervals"][:-1])]
    times = decoded(result, (row["histogram_ns"] for row in rows))
    resources = resource_charts(result)
    traffic = [
        over_time(result, rows, times, WHOLE),
        rate(rows, times),
        errors(result, rows, WHOLE),
        parts(rows, times, part_styles(result)),
    ]
    return _end_s(result, resources), [*traffic, *resources]


def _rows(result: Mapping[str, Any], part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The intervals of a run or an endpoint; the last one is cut at the end of the load."""
    rows = [*_without_gaps(part.get("intervals") or [])]
    if rows and 0 < (left_s := _load_s(result) - rows[-1]["start_s"]) < rows[-1]["duration_s"]:
        rows[-1] = {**rows[-1], "duration_s": max(left_s, rows[-1]["duration_s"] / 20)}
    return rows


def _without_gaps(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the intervals with those in between in which no request started."""
    yield from rows[:1]
    for before, row in pairwise(rows):
        length_s = before["duration_s"]
        missing = round((row["start_s"] - before["start_s"]) / length_s) - 1
        for n in range(1, missing + 1):
            yield {**_IDLE, "start_s": before["start_s"] + n * length_s, "duration_s": length_s}
        yield row


def _view(
    result: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    endpoints: Mapping[str, Mapping[str, Any]],
    where: str,
) -> list[Chart]:
    times = decoded(result, (row["histogram_ns"] for row in rows))
    return [
        over_time(result, rows, times, where),
        heatmap(rows, times),
        rate(rows, times),
        errors(result, rows, where),
        parts(rows, times, part_styles(result)),
        curve(result, endpoints, where),
    ]


def _load_s(result: Mapping[str, Any]) -> float:
    """End of the load on the time axis; the metrics begin after a detected warm-up."""
    rows = result.get("intervals") or [{"start_s": 0.0}]
    warm_up = result["metrics"].get("warmup") or {}
    before_s = rows[0]["start_s"] + (warm_up.get("duration_s") or 0)
    return float(before_s + result["metrics"]["duration_s"])


def _end_s(result: Mapping[str, Any], resources: Sequence[Chart]) -> float:
    """End of the time axis: the end of the load or the last sample."""
    ends: list[float] = [chart["x"][-1] for chart in resources if not chart["placeholder"]]
    return max([*ends, _load_s(result), 1.0])


__all__ = ["WHOLE", "Chart", "charts", "clock", "overview"]
