"""Static charts as SVG: axes with ticks, lines and points; colours are the style sheet's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, log, log10
from typing import Final, Self

from markupsafe import Markup

from straingauge.number_text import number

Point = tuple[float, float]

_STEPS: Final = (1, 2, 4, 8, 10)


@dataclass(frozen=True, slots=True)
class Axis:
    """Range of an axis.

    Attributes:
        low, high: Its ends.
        is_log: Whether it is logarithmic.
    """

    low: float
    high: float
    is_log: bool = False

    @classmethod
    def from_zero(cls, values: Iterable[float]) -> Self:
        """Linear, from 0 to a round number at or above the highest value."""
        high = max(values)
        power = 10.0 ** floor(log10(high)) if high > 0 else 1.0
        return cls(0.0, next(step * power for step in _STEPS if step * power >= high))

    @classmethod
    def logarithmic(cls, values: Sequence[float]) -> Self:
        """Logarithmic, between the powers of ten around the values, which are above 0."""
        low, high = min(values), max(values)
        return cls(10.0 ** floor(log10(low)), 10.0 ** ceil(log10(high * 1.01)), is_log=True)

    @classmethod
    def between(cls, values: Sequence[float]) -> Self:
        """Linear, from the lowest to the highest value; around a single one, which is not < 0."""
        low, high = min(values), max(values)
        return cls(low, high) if high > low else cls(low / 2, 1.5 * high or 1.0)

    def at(self, share: float) -> float:
        """The value at a share of the axis."""
        if self.is_log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + share * (self.high - self.low)

    def share(self, value: float) -> float:
        """The share of the axis at which a value is: below 0 or above 1 beyond its ends."""
        if self.is_log:
            return log(value / self.low) / log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def contains(self, value: float) -> bool:
        """Check that a value is not beyond an end."""
        return self.low <= value <= self.high

    def ticks(self) -> list[float]:
        """The values that are labelled."""
        if self.is_log:
            return [self.low * 10**n for n in range(round(log10(self.high / self.low)) + 1)]
        return [self.at(quarter / 4) for quarter in range(5)]


@dataclass(slots=True)
class Plot:
    """A chart under construction.

    Attributes:
        x, y: Its axes.
        width, height: In pixels.
        margins: Left, right, top and bottom, in pixels.
    """

    x: Axis
    y: Axis
    width: int = 640
    height: int = 320
    margins: tuple[int, int, int, int] = (64, 34, 12, 44)
    _parts: list[str] = field(default_factory=list)

    def place(self, x: float, y: float) -> Point:
        """Return the position of a point, in pixels from the top left."""
        left, right, top, bottom = self.margins
        across = left + self.x.share(x) * (self.width - left - right)
        return across, self.height - bottom - self.y.share(y) * (self.height - top - bottom)

    def grid(self, across: str) -> None:
        """Add grid lines and labels of both axes, and the title of the horizontal one."""
        self.rows()
        for value in self.x.ticks():
            self.label(value, _tick(value))
        self._text("tick", (self.width - self.margins[1], self.height - 6), across, "end")

    def rows(self) -> None:
        """Add the grid lines and labels of the vertical axis."""
        left, right, _, _ = self.margins
        for value in self.y.ticks():
            _, top = self.place(self.x.high, value)
            self._line("grid", (left, top), (self.width - right, top))
            self._text("tick", (left - 7, top + 4), _tick(value), "end")

    def label(self, x: float, text: str, *, anchor: str = "middle", line: int = 0) -> None:
        """Add a label below the horizontal axis; further lines are below the first."""
        place, bottom = self.place(x, self.y.low)
        self._text("tick", (place, bottom + 16 + 17 * line), text, anchor)

    def line(self, css: str, points: Iterable[Point]) -> None:
        """Add a line through points; it ends where it leaves the chart, and may return."""
        path, step = "", "M"
        for x, y in points:
            if not self.y.contains(y):
                step = "M"
                continue
            left, top = self.place(x, y)
            path += f"{step}{left:.1f} {top:.1f}"
            step = "L"
        self._parts.append(f'<path class="line {css}" d="{path}"/>')

    def point(self, css: str, x: float, y: float, title: str, *, is_cross: bool = False) -> None:
        """Add a point or a cross, with a title that shows when the pointer is on it."""
        left, top = self.place(x, y)
        shape = f'circle cx="{left:.1f}" cy="{top:.1f}" r="3.5"'
        if is_cross:
            shape = f'path d="M{left - 4:.1f} {top - 4:.1f}l8 8m0 -8l-8 8"'
        element, _, attributes = shape.partition(" ")
        content = f"<title>{escape(title)}</title></{element}>"
        self._parts.append(f'<{element} class="point {css}" {attributes}>{content}')

    def horizontal(self, css: str, start: float, end: float, y: float) -> None:
        """Add a horizontal line from one x to another."""
        self._line(css, self.place(start, y), self.place(end, y))

    def vertical(self, css: str, x: float, title: str, *, is_labelled: bool = False) -> None:
        """Add a vertical line over the whole height; its title stands beside it or shows on it."""
        bottom, top = self.place(x, self.y.low), self.place(x, self.y.high)
        self._line(css, bottom, top, "" if is_labelled else title)
        if is_labelled:
            self._text("tick", (top[0] + 4, top[1] + 12), title, "start")

    def svg(self, label: str) -> Markup:
        """The chart, with a label for readers who do not see it."""
        return Markup(  # noqa: S704  each part is escaped above
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{escape(label)}">{"".join(self._parts)}</svg>'
        )

    def _line(self, css: str, start: Point, end: Point, title: str = "") -> None:
        hover = f"<title>{escape(title)}</title>" if title else ""
        self._parts.append(
            f'<line class="{css}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" '
            f'x2="{end[0]:.1f}" y2="{end[1]:.1f}">{hover}</line>'
        )

    def _text(self, css: str, at: Point, text: str, anchor: str) -> None:
        self._parts.append(
            f'<text class="{css}" x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}">'
            f"{escape(text)}</text>"
        )


def _tick(value: float) -> str:
    return number(value) if value >= 1000 else f"{value:.3g}"
