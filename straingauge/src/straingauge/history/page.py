"""Trends as one self-contained HTML page, without a script."""

from collections.abc import Sequence
from typing import Any

from straingauge.history.series import Point, Series, Trend
from straingauge.history.terminal import shift_text, title
from straingauge.report import html
from straingauge.report.format import number
from straingauge.report.svg import Axis, Plot


def page(trends: Sequence[Trend]) -> str:
    """Render the page of one or more trends."""
    shifts = [shift for trend in trends for series in trend.series for shift in series.shifts]
    return html.render(
        "history.html",
        package="straingauge.history",
        trends=[_trend(trend) for trend in trends],
        worse=sum(shift.direction == "worse" for shift in shifts),
        better=sum(shift.direction == "better" for shift in shifts),
    )


def _trend(trend: Trend) -> dict[str, Any]:
    return {
        "title": title(trend),
        "since": trend.since,
        "series": [_series(series) for series in trend.series],
    }


def _series(series: Series) -> dict[str, Any]:
    values = [point.value for point in series.points]
    shifts = [
        {"direction": shift.direction, "words": shift_text(series, shift)}
        for shift in series.shifts
    ]
    return {
        "metric": series.metric,
        "latest": number(values[-1]),
        "low": number(min(values)),
        "high": number(max(values)),
        "shifts": shifts,
        "svg": _plot(series, values).svg(
            f"{series.metric}, {number(min(values))} to {number(max(values))}, "
            f"latest {number(values[-1])}"
        ),
    }


def _plot(series: Series, values: Sequence[float]) -> Plot:
    """One point for each run, evenly spaced, with the median of each level and its shifts."""
    plot = Plot(
        Axis(-0.5, len(values) - 0.5), Axis.between(values), height=120, margins=(8, 8, 10, 10)
    )
    for shift in series.shifts:
        plot.vertical(f"shift {shift.direction}", shift.index - 0.5, shift_text(series, shift))
    plot.line("trend", enumerate(values))
    for first, end, median in series.levels:
        plot.horizontal("level", first, end - 1, median)
    for n, point in enumerate(series.points):
        plot.point("run", n, point.value, _title(point))
    return plot


def _title(point: Point) -> str:
    commit = f", commit {point.commit}" if point.commit else ""
    return f"{number(point.value)}, {point.at:%Y-%m-%d %H:%M}{commit}, {point.file.name}"
