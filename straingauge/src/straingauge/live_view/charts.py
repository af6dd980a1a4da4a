"""The report's charts of a run in progress, reduced to what a page can refresh every 2 s.

Only in the report: charts by endpoint, the heatmap and the distribution, which need the histograms
of all requests, and placeholders.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from straingauge.report.charts import Chart, clock, overview

MAX_POINTS: Final = 120  # per line; a chart is about 400 px wide


def charts(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the charts that there is data for.

    Returns:
        ``end_s``, the length of the time axis, ``clock``, its clock time, and ``charts``.
    """
    end_s, found = overview(result)
    return {
        "end_s": end_s,
        "clock": clock(result),
        "charts": [_thin_out(chart) for chart in found if not chart["placeholder"]],
    }


def _thin_out(chart: Chart) -> Chart:
    """Keep the highest value of each of `MAX_POINTS` groups of points, so that peaks stay."""
    count = len(chart["x"])
    if count <= MAX_POINTS:
        return chart
    size = math.ceil(count / MAX_POINTS)
    kept = sorted(
        {
            max(range(first, min(first + size, count)), key=lambda n: line["y"][n] or 0.0)
            for line in chart["series"]
            for first in range(0, count, size)
        }
    )
    lines = [{**line, "y": [line["y"][n] for n in kept]} for line in chart["series"]]
    return {**chart, "x": [chart["x"][n] for n in kept], "series": lines}
