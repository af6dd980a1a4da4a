"""Trends for a terminal: one line for each metric."""

import math
from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from straingauge.history.changes import ENOUGH
from straingauge.history.series import Series, Shift, Trend
from straingauge.number_text import count, number
from straingauge.report import terminal
from straingauge.report.grades import look

_SHIFT: Final = "│"
_MOST_POINTS, _LEAST_POINTS = 40, 8
_NAME, _VALUE = 34, 8  # columns
_MOST_SHIFTS: Final = 3  # strokes that a line has room for


def lines(trends: Sequence[Trend], width: int = 120) -> Iterator[Text]:
    """Yield all trends, each with its metrics; the latest shift of each in words.

    Args:
        trends: The trends.
        width: Of the terminal, in columns: a narrow one shows the latest points only.
    """
    for trend in trends:
        yield Text(title(trend))
        if trend.since:
            yield Text(f"  separate from earlier runs: {trend.since}")
        names = min(_NAME, max(len(series.metric) for series in trend.series))
        most = min(_MOST_POINTS, max(width - names - _VALUE - _MOST_SHIFTS - 4, _LEAST_POINTS))
        for series in trend.series:
            latest = number(series.points[-1].value)
            line = Text(f"  {series.metric:<{names}} {sparkline(series, most)} {latest:>{_VALUE}}")
            if series.shifts:
                shift = series.shifts[-1]
                words = Text(shift_text(series, shift), style=look(shift.direction).style)
                if len(line.plain) + 2 + len(words.plain) > width:
                    yield line
                    line = Text("   ")
                yield line.append("  ").append_text(words)
            else:
                yield line


def title(trend: Trend) -> str:
    """The trend's name, its number of runs, how many are missing, and their dates."""
    points = max((series.points for series in trend.series), key=len)
    first, last = points[0].at, points[-1].at
    name = f"{trend.name} {trend.endpoint}".rstrip()
    end = f" to {last:%Y-%m-%d}" if last.date() != first.date() else ""
    few = f" of about {ENOUGH} needed to find a change" if len(points) < ENOUGH else ""
    return f"{name}  {count(len(points), 'run')}{few}, {first:%Y-%m-%d}{end}"


def sparkline(series: Series, most: int = _MOST_POINTS) -> str:
    """The latest points as bars, with a stroke where the level shifted."""
    start = max(0, len(series.points) - most)
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
