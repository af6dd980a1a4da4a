"""Charts of a result as plain data; a placeholder says why one is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

from straingauge.report.charts.chart_data import Chart
from straingauge.report.charts.latency import curve, heatmap, over_time
from straingauge.report.charts.resources import resource_charts
from straingauge.report.charts.traffic import errors, parts, rate
from straingauge.report.parts import part_styles
from straingauge.statistics.distribution import Distribution

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
    """The intervals of a run or an endpoint; the last one is cut at the end of the load."""
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
    times = [Distribution.decode(row["histogram_ns"]) for row in rows]
    return [
        over_time(result, rows, times, where),
        heatmap(rows, times),
        rate(rows, times),
        errors(result, rows, where),
        parts(rows, times, part_styles(result)),
        curve(result, endpoints, where),
    ]


def _load_s(result: Mapping[str, Any]) -> float:
    """Duration of the load; the metrics begin after a detected warm-up."""
    warm_up = result["metrics"].get("warmup") or {}
    return float((warm_up.get("duration_s") or 0) + result["metrics"]["duration_s"])


def _end_s(result: Mapping[str, Any], resources: Sequence[Chart]) -> float:
    """End of the time axis: the end of the load or the last sample."""
    ends: list[float] = [chart["x"][-1] for chart in resources if not chart["placeholder"]]
    return max([*ends, _load_s(result), 1.0])


__all__ = ["WHOLE", "Chart", "charts"]
