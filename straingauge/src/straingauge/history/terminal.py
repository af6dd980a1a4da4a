"""Trends for people at a terminal: one line for each metric."""

import math
from collections.abc import Iterator, Sequence

import click

from straingauge.history.series import Series, Shift, Trend

BARS = "▁▂▃▄▅▆▇█"
CHANGE = "│"
MOST = 40  # points of a line
_COLOURS = {"better": "green", "worse": "red"}


def lines(trends: Sequence[Trend]) -> Iterator[str]:
    """All trends, each with its metrics; the latest change of each in words."""
    for trend in trends:
        points = max((series.points for series in trend.series), key=len)
        first, last = points[0].at, points[-1].at
        yield (
            f"{trend.name} {trend.endpoint}".rstrip()
            + f"  {len(points)} {'run' if len(points) == 1 else 'runs'}, {first:%Y-%m-%d}"
            + (f" to {last:%Y-%m-%d}" if last.date() != first.date() else "")
        )
        if trend.since:
            yield f"  apart from earlier ones: {trend.since}"
        for series in trend.series:
            latest = f"{figure(series.points[-1].value):>8}"
            words = told(series, series.shifts[-1]) if series.shifts else ""
            line = f"  {series.metric:<34} {sparkline(series)} {latest}"
            if words:
                line += "  " + click.style(words, fg=_COLOURS[series.shifts[-1].direction])
            yield line


def sparkline(series: Series) -> str:
    """The last points as bars between the least and the largest, and where the level changed."""
    start = max(0, len(series.points) - MOST)
    shown = [point.value for point in series.points[start:]]
    low, high = min(shown), max(shown)
    changes = {shift.index - start for shift in series.shifts}
    bars = [
        (CHANGE if number in changes else "")
        + BARS[round((value - low) / (high - low) * (len(BARS) - 1)) if high > low else 0]
        for number, value in enumerate(shown)
    ]
    return "".join(bars)


def told(series: Series, shift: Shift) -> str:
    """A change in words: how much, since when, since which commit."""
    point = series.points[shift.index]
    by = f"{shift.percent:+.0f} %" if math.isfinite(shift.percent) else "from 0"
    commit = f" (commit {point.commit})" if point.commit else ""
    return (
        f"{shift.direction}: {by}, {figure(shift.before)} to {figure(shift.after)}, since "
        f"{point.at:%Y-%m-%d %H:%M}{commit}"
    )


def figure(value: float) -> str:
    """Three figures are as many as a measurement has."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
