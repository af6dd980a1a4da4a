"""Charts of a result as plain data; a placeholder says why one is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from straingauge.report.charts.chart import Chart
from straingauge.report.charts.latency import curve, heatmap, over_time, times_of
from straingauge.report.charts.resources import resource_charts
from straingauge.report.charts.traffic import errors, parts, rate

WHOLE = ""  # the name of all endpoints together


def charts(result: Mapping[str, Any]) -> dict[str, Any]:
    """All charts of a run.

    Returns:
        ``end_s``, the length of the time axis; ``endpoints``, for each endpoint and for all
        together ("") its charts; ``resources``, those of the service and its database.
    """
    endpoints: Mapping[str, Mapping[str, Any]] = result["endpoints"]
    resources = resource_charts(result)
    views = {WHOLE: _view(result, _rows(result, result), endpoints, WHOLE)}
    for name, figures in endpoints.items():
        views[name] = _view(result, _rows(result, figures), {name: figures}, name)
    return {"end_s": _end_s(result, resources), "endpoints": views, "resources": resources}


def _rows(result: Mapping[str, Any], part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The intervals of a run or of an endpoint; the last ends with the load, which it outlasts."""
    end_s = _load_s(result)
    return [
        {
            **row,
            "duration_s": min(
                row["duration_s"], max(end_s - row["start_s"], row["duration_s"] / 20)
            ),
        }
        for row in part.get("intervals") or []
    ]


def _view(
    result: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    endpoints: Mapping[str, Mapping[str, Any]],
    where: str,
) -> list[Chart]:
    times = [times_of(row["histogram_ns"]) for row in rows]
    return [
        over_time(result, rows, times, where),
        heatmap(rows, times),
        rate(rows, times),
        errors(result, rows, where),
        parts(rows, times),
        curve(result, endpoints, where),
    ]


def _load_s(result: Mapping[str, Any]) -> float:
    """From the load's start to its end; its figures begin after a warm-up that was cut off."""
    warm_up = result["metrics"].get("warmup") or {}
    return float((warm_up.get("duration_s") or 0) + result["metrics"]["duration_s"])


def _end_s(result: Mapping[str, Any], resources: Sequence[Chart]) -> float:
    """Where the time axis ends: with the load or with the last sample, whichever is later."""
    ends: list[float] = [chart["x"][-1] for chart in resources if not chart["placeholder"]]
    return max([*ends, _load_s(result), 1.0])


__all__ = ["WHOLE", "Chart", "charts"]
