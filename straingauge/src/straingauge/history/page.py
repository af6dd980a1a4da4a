"""Trends as one self-contained page: no network and no script, light and dark."""

from collections.abc import Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from straingauge.history.series import Point, Series, Trend
from straingauge.history.terminal import figure, told

WIDTH: Final = 640
HEIGHT: Final = 120
_LEFT, _RIGHT, _TOP, _BOTTOM = 8, 8, 10, 10
_STYLES: Final = ("colours.css", "page.css")


def page(trends: Sequence[Trend]) -> str:
    """The page of these trends, at least one."""
    found = Environment(
        loader=PackageLoader("straingauge.history"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files("straingauge.report") / "style"
    shifts = [shift for trend in trends for series in trend.series for shift in series.shifts]
    return found.get_template("history.html").render(
        style="\n".join((style / name).read_text("utf-8") for name in _STYLES),
        trends=[_trend(trend) for trend in trends],
        worse=sum(shift.direction == "worse" for shift in shifts),
        better=sum(shift.direction == "better" for shift in shifts),
        width=WIDTH,
        height=HEIGHT,
        version=version("straingauge"),
    )


def _trend(trend: Trend) -> dict[str, Any]:
    points = max((series.points for series in trend.series), key=len)
    return {
        "name": f"{trend.name} {trend.endpoint}".rstrip(),
        "since": trend.since,
        "runs": len(points),
        "first": f"{points[0].at:%Y-%m-%d %H:%M}",
        "last": f"{points[-1].at:%Y-%m-%d %H:%M}",
        "series": [_series(series) for series in trend.series],
    }


def _series(series: Series) -> dict[str, Any]:
    scale = _Scale(series.points)
    places = [(scale.x(n), scale.y(point.value)) for n, point in enumerate(series.points)]
    return {
        "metric": series.metric,
        "latest": figure(series.points[-1].value),
        "low": figure(scale.low),
        "high": figure(scale.high),
        "line": " ".join(f"{x:.1f},{y:.1f}" for x, y in places),
        "dots": [
            {"x": f"{x:.1f}", "y": f"{y:.1f}", "title": _title(point)}
            for (x, y), point in zip(places, series.points, strict=True)
        ],
        "levels": [
            {"x0": f"{scale.x(first):.1f}", "x1": f"{scale.x(end - 1):.1f}", "y": f"{y:.1f}"}
            for first, end, level in series.levels
            for y in (scale.y(level),)
        ],
        "shifts": [
            {
                "x": f"{(scale.x(shift.index - 1) + scale.x(shift.index)) / 2:.1f}",
                "direction": shift.direction,
                "words": told(series, shift),
            }
            for shift in series.shifts
        ],
    }


def _title(point: Point) -> str:
    commit = f", commit {point.commit}" if point.commit else ""
    return f"{figure(point.value)}, {point.at:%Y-%m-%d %H:%M}{commit}, {point.file.name}"


class _Scale:
    """From a point's number and value to its place; one run after the other, evenly."""

    def __init__(self, points: Sequence[Point]) -> None:
        values = [point.value for point in points]
        self._count = len(values)
        self.low, self.high = min(values), max(values)

    def x(self, number: int) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * (number + 0.5) / self._count

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * share
