"""The picture of all curves, as SVG: CPU time on the left, memory on the right."""

from collections.abc import Mapping
from html import escape
from typing import Any

from straingauge.report.svg import Axis, Plot

WIDTH, HEIGHT, GAP, HEAD = 430, 190, 20, 30
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #444 } .title { font-weight: 600; fill: #111 }
.grid { stroke: #ddd } .line { fill: none; stroke: #2166ac; stroke-width: 2 }
.memory { stroke: #b2652a } .point { fill: #2166ac } circle.memory { fill: #b2652a }
"""


def picture(curves: Mapping[str, Any]) -> str:
    """Draw the curves of curves.json."""
    parts, top = [], 0
    for curve in curves.values():
        rounds = min((point["rounds"] for point in curve["points"]), default=0)
        title = f"{curve['title']}: {curve['verdict']} ({rounds} round{'s' * (rounds != 1)})"
        parts.append(f'<text class="title" x="10" y="{top + 20}">{escape(title)}</text>')
        for column, (metric, unit) in enumerate((("cpu", curve["unit"]), ("memory_mb", "MB"))):
            left = 10 + column * (WIDTH + GAP)
            parts.append(_plot(curve, metric, unit, left, top + HEAD))
        top += HEAD + HEIGHT + GAP
    width = 2 * WIDTH + GAP + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}"'
        f' height="{top}"><style>{STYLE}</style><rect width="{width}" height="{top}" fill="#fff"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _plot(curve: Mapping[str, Any], metric: str, unit: str, left: int, top: int) -> str:
    points = [(point["size"], point[metric]) for point in curve["points"]]
    if not points:
        return ""
    plot = Plot(
        Axis.logarithmic([size for size, _ in points]),
        Axis.from_zero(value for _, value in points),
        WIDTH,
        HEIGHT,
        margins=(52, 34, 22, 40),
    )
    plot.grid(curve["over"])
    css = "memory" if metric == "memory_mb" else "cpu"
    plot.line(css, points)
    for size, value in points:
        plot.point(css, size, value, f"{size:,} {curve['over']}: {value:,.4g} {unit}")
    drawn = str(plot.svg(f"{curve['title']}: {unit}"))
    place = f'<svg x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}"'
    return drawn.replace("<svg", place, 1).replace(
        "</svg>", f'<text x="52" y="12">{escape(unit)}</text></svg>'
    )
