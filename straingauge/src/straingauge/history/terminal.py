"""Trends for a terminal: one line for each metric."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from straingauge.history.changes import ENOUGH
from straingauge.history.series import Series, Shift, Trend
from straingauge.report import terminal
from straingauge.report.format import count, number
from straingauge.report.grades import look

_SHIFT: Final = "│"
_MOST_POINTS: Final = 40


def lines(trends: Sequence[Trend]) -> Iterator[Text]:
    """All trends, each with its metrics; the latest shift of each in words."""
    for trend in trends:
        yield Text(title(trend))
        if trend.since:
            yield Text(f"  separate from earlier runs: {trend.since}")
        for series in trend.series:
            latest = number(series.points[-1].value)
            line = Text(f"  {series.metric:<34} {sparkline(series)} {latest:>8}")
            if series.shifts:
                shift = series.shifts[-1]
                line.append(f"  {shift_text(series, shift)}", style=look(shift.direction).style)
            yield line


def title(trend: Trend) -> str:
    """The trend's name, its number of runs, how many are missing, and their dates."""
    points = max((series.points for series in trend.series), key=len)
    first, last = points[0].at, points[-1].at
    name = f"{trend.name} {trend.endpoint}".rstrip()
    end = f" to {last:%Y-%m-%d}" if last.date() != first.date() else ""
    few = f" of about {ENOUGH} needed to find a change" if len(points) < ENOUGH else ""
    return f"{name}  {count(len(points), 'run')}{few}, {first:%Y-%m-%d}{end}"


def sparkline(series: Series) -> str:
    """The latest points as bars, with a stroke where the level shifted."""
    start = max(0, len(series.points) - _MOST_POINTS)
    bars = terminal.sparkline([point.value for point in series.points[start:]])
    shifts = {shift.index - start for shift in series.shifts}
    return "".join((_SHIFT if n in shifts else "") + bar for n, bar in enumerate(bars))


def shift_text(series: Series, shift: Shift) -> str:
    """A shift in words: how large, since when, since which commit."""
    point = series.points[shift.index]
    by = f"{shift.percent:+.0f}%" if math.isfinite(shift.percent) else "from 0"
    commit = f" (commit {point.commit})" if point.commit else ""
    return (
        f"{shift.direction}: {by}, {number(shift.before)} to {number(shift.after)}, since "
        f"{point.at:%Y-%m-%d %H:%M}{commit}"
    )
