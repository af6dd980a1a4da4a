"""A search for capacity as one HTML file: two charts and words; no script, no network."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log, log10
from typing import Any, Final, Self

from straingauge.capacity.terminal import words
from straingauge.capacity.usl import UslFit

Document = Mapping[str, Any]

_WIDTH, _HEIGHT = 640, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 28, 44
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --grid: #d1d9e0; --page: #fff;
  --good: #1a7f37; --bad: #cf222e; --law: #0969da }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --grid: #3d444d;
  --page: #0d1117; --good: #3fb950; --bad: #f85149; --law: #58a6ff } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 1360px; margin: 2rem auto; padding: 0 1rem }
pre { white-space: pre-wrap }
figure { display: inline-block; margin: 0 1rem 1rem 0 }
svg { max-width: 100% }
text { fill: var(--soft); font-size: 12px }
text.title { fill: var(--ink); font-size: 14px }
line { stroke: var(--grid) }
line.mark { stroke: var(--good); stroke-dasharray: 4 3 }
path { fill: none; stroke: var(--law); stroke-width: 2 }
.held { fill: var(--good) }
.failed { fill: var(--bad) }
table { border-collapse: collapse }
td, th { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid var(--grid) }
td:last-child, th:last-child { text-align: left }
"""


def page(found: Document) -> str:
    """The whole file."""
    title = escape(f"Capacity of {found['name']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>'
        f"<h1>{title}</h1><pre>{escape(words(found))}</pre>{_throughput(found)}{_times(found)}"
        f"{_table(found)}</body></html>\n"
    )


def _throughput(found: Document) -> str:
    """Throughput by what is under way at once, with the law."""
    levels = [each for each in found["levels"] if each["unproven"] is None]
    points = [(each["concurrency"], each["throughput_rps"], each["holds"]) for each in levels]
    law = UslFit(**found["usl"]) if found["usl"] else None
    curve = law.throughput_rps if law else None
    return _plot("Throughput, requests/s", "requests under way at once", points, curve=curve)


def _times(found: Document) -> str:
    """p95 by load."""
    points = [
        (each["level"], each["p95_ms"], each["holds"])
        for each in found["levels"]
        if each["p95_ms"] is not None
    ]
    return _plot("p95 of response time, ms", f"load, {found['unit']}", points, found["capacity"])


@dataclass(frozen=True, slots=True)
class _Axis:
    """From where to where a chart goes, and how: logarithmic where it does not begin at 0."""

    least: float
    most: float

    @classmethod
    def from_zero(cls, values: Sequence[float]) -> Self:
        most = max(values)
        power = 10.0 ** floor(log10(most)) if most > 0 else 1.0
        steps = (step * power for step in (1, 2, 4, 8, 10) if step * power >= most)
        return cls(0.0, next(steps))

    @classmethod
    def logarithmic(cls, values: Sequence[float]) -> Self:
        least, most = min(values), max(values)
        return cls(10.0 ** floor(log10(least)), 10.0 ** ceil(log10(most * 1.01)))

    def at(self, share: float) -> float:
        """The value at such a share of the axis."""
        if self.least:
            return float(self.least * (self.most / self.least) ** share)
        return share * self.most

    def share(self, value: float) -> float:
        """Where on the axis a value is."""
        if self.least:
            return log(max(value, self.least) / self.least) / log(self.most / self.least)
        return min(max(value / self.most, 0.0), 1.0)

    def ticks(self) -> list[float]:
        """Where it is labelled."""
        if self.least:
            return [self.least * 10**n for n in range(round(log10(self.most / self.least)) + 1)]
        return [self.at(quarter / 4) for quarter in range(5)]


def _plot(
    title: str,
    across: str,
    points: Sequence[tuple[float, float, bool]],
    mark: float | None = None,
    curve: Callable[[float], float] | None = None,
) -> str:
    """A chart; with a curve, which has its bend at few, what goes across is logarithmic."""
    points = [point for point in points if curve is None or point[0] > 0]
    if not points:
        return ""
    make = _Axis.from_zero if curve is None else _Axis.logarithmic
    x_axis, y_axis = make([x for x, _, _ in points]), _Axis.from_zero([y for _, y, _ in points])

    def at(x: float, y: float) -> tuple[float, float]:
        left = _LEFT + x_axis.share(x) * (_WIDTH - _LEFT - _RIGHT)
        return left, _HEIGHT - _BOTTOM - y_axis.share(y) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<text class="title" x="{_LEFT}" y="16">{escape(title)}</text>']
    parts += _grid(x_axis, y_axis, at)
    if mark is not None:
        (x, bottom), (_, top) = at(mark, 0), at(mark, y_axis.most)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{bottom:.1f}" y2="{top}"/>')
        parts.append(f'<text x="{x + 4:.1f}" y="{top + 12:.1f}">capacity {mark:g}</text>')
    if curve is not None:
        line = (at(x, curve(x)) for x in (x_axis.at(step / 100) for step in range(101)))
        parts.append(f'<path d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in line)}"/>')
    parts += [_point(*at(x, y), f"{x:.3g}: {y:.4g}", holds=holds) for x, y, holds in points]
    parts.append(f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{across}</text>')
    return (
        f'<figure><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img" '
        f'aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


def _point(left: float, top: float, figures: str, *, holds: bool) -> str:
    name, words = ("held", "holds") if holds else ("failed", "does not hold")
    return (
        f'<circle class="{name}" cx="{left:.1f}" cy="{top:.1f}" r="4">'
        f"<title>{escape(figures)}, {words}</title></circle>"
    )


def _grid(
    x_axis: _Axis, y_axis: _Axis, at: Callable[[float, float], tuple[float, float]]
) -> Iterator[str]:
    for y in y_axis.ticks():
        _, top = at(x_axis.most, y)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{top:.1f}" y2="{top:.1f}"/>'
        yield f'<text x="{_LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{y:g}</text>'
    for x in x_axis.ticks():
        left, bottom = at(x, 0)
        yield f'<text x="{left:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{x:g}</text>'


def _table(found: Document) -> str:
    rows = "".join(
        f"<tr><td>{each['level']:g}</td><td>{each['phase']}</td><td>{each['throughput_rps']:.1f}</td>"
        f"<td>{_figure(each['p50_ms'])}</td><td>{_figure(each['p95_ms'])}</td>"
        f"<td>{each['error_rate_percent']:.2f}</td><td>{_figure(each['cpu_percent'])}</td>"
        f"<td>{'holds' if each['holds'] else escape('; '.join(each['why']))}</td></tr>"
        for each in found["levels"]
    )
    heads = (found["unit"], "", "requests/s", "p50 ms", "p95 ms", "errors %", "CPU %", "")
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
