"""Trends as one self-contained HTML page, without a script."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from straingauge.history.changes import ENOUGH
from straingauge.history.series import Point, Series, Shift, Trend
from straingauge.history.terminal import shift_text, title
from straingauge.number_text import count, number
from straingauge.report import html
from straingauge.report.svg import Axis, Plot
from straingauge.verdict.metrics import metric_of

_MOST_FOUND: Final = 3  # shifts in the page's head
_LABEL_SHARE: Final = 0.2
"""Share of the width that a date or a commit needs on a narrow screen."""


def page(trends: Sequence[Trend]) -> str:
    """Render the page of one or more trends."""
    shifts = [shift for trend in trends for series in trend.series for shift in series.shifts]
    return html.render(
        "history.html",
        package="straingauge.history",
        trends=[_trend(trend) for trend in trends],
        headline=_headline(trends, shifts),
        found=_found(trends)[:_MOST_FOUND],
    )


def _headline(trends: Sequence[Trend], shifts: Sequence[Shift]) -> str:
    """The number of shifts; without one, that there are too few runs to find any."""
    most = max((len(each.points) for trend in trends for each in trend.series), default=0)
    if not shifts and most < ENOUGH:
        return f"Too few runs to find a shift: {most} of about {ENOUGH} needed"
    worse = sum(shift.direction == "worse" for shift in shifts)
    return f"{count(worse, 'shift')} to worse, {len(shifts) - worse} to better"


def _found(trends: Sequence[Trend]) -> list[str]:
    """The latest shift to worse of each metric, the latest first."""
    worse = [
        (series.points[shift.index].at, f"{trend.name} {trend.endpoint}".rstrip(), series, shift)
        for trend in trends
        for series in trend.series
        for shift in series.shifts[-1:]
        if shift.direction == "worse"
    ]
    worse.sort(key=lambda each: each[0], reverse=True)
    return [
        f"{name} {series.metric}: {shift_text(series, shift)}" for _, name, series, shift in worse
    ]


def _trend(trend: Trend) -> dict[str, Any]:
    """A trend; its metrics without a shift are folded."""
    return {
        "title": title(trend),
        "since": trend.since,
        "shifted": [_series(series) for series in trend.series if series.shifts],
        "steady": [_series(series) for series in trend.series if not series.shifts],
    }


def _series(series: Series) -> dict[str, Any]:
    unit = metric_of(series.metric).unit
    values = [point.value for point in series.points]
    shifts = [
        {"direction": shift.direction, "words": shift_text(series, shift)}
        for shift in series.shifts
    ]
    span = f"between {number(min(values))} and {_with_unit(max(values), unit)}"
    span = "always the same" if min(values) == max(values) else span
    return {
        "metric": series.metric,
        "latest": _with_unit(values[-1], unit),
        "span": span,
        "shifts": shifts,
        "svg": _plot(series, values).svg(
            f"{series.metric}, latest {_with_unit(values[-1], unit)}, {span}"
        ),
    }


def _with_unit(value: float, unit: str) -> str:
    return f"{number(value)}{unit}" if unit.startswith(("%", "/")) else number(value, unit)


def _plot(series: Series, values: Sequence[float]) -> Plot:
    """One point for each run, evenly spaced, with the median of each level and its shifts.

    The first run, the last one and those that begin a level are labelled with date and commit.
    """
    plot = Plot(
        Axis(-0.5, len(values) - 0.5), Axis.between(values), height=156, margins=(64, 14, 10, 44)
    )
    plot.rows()
    for index, anchor in _labelled(series):
        point = series.points[index]
        plot.label(index, f"{point.at:%Y-%m-%d}", anchor=anchor)
        plot.label(index, point.commit, anchor=anchor, line=1)
    for shift in series.shifts:
        plot.vertical(f"shift {shift.direction}", shift.index - 0.5, shift_text(series, shift))
    plot.line("trend", enumerate(values))
    for first, end, median in series.levels:
        plot.horizontal("level", first, end - 1, median)
    for n, point in enumerate(series.points):
        plot.point("run", n, point.value, _title(point))
    return plot


def _labelled(series: Series) -> Iterator[tuple[int, str]]:
    """Indexes and anchors of the labels that fit beside each other, shifts first."""
    last = len(series.points) - 1
    free = _LABEL_SHARE * len(series.points)
    taken: list[float] = []
    for index in dict.fromkeys([*(shift.index for shift in series.shifts), 0, last]):
        if all(abs(index - other) >= free for other in taken):
            taken.append(index)
            edge = "start" if index < free / 2 else "end" if index > last - free / 2 else "middle"
            yield index, edge


def _title(point: Point) -> str:
    commit = f", commit {point.commit}" if point.commit else ""
    return f"{number(point.value)}, {point.at:%Y-%m-%d %H:%M}{commit}, {point.file.name}"
