"""A search for capacity as one HTML page: two charts, a summary and a table; no script."""

from collections.abc import Sequence
from typing import Any, Final

from markupsafe import Markup

from straingauge.capacity.terminal import Document, summary_rows
from straingauge.capacity.usl import UslFit
from straingauge.number_text import number, percent
from straingauge.report import html
from straingauge.report.svg import Axis, Plot

_LABELS: Final = {"passed": "passed", "failed": "did not pass"}
_MOST_ABOVE: Final = 2.0
"""Times the highest measurement that the chart leaves for a fitted law above it."""


def page(found: Document) -> str:
    """Render the page of a search."""
    return html.render(
        "capacity.html",
        package="straingauge.capacity",
        name=found["name"],
        load=_asked(found["unit"]),
        lines=list(summary_rows(found)),
        charts=[each for each in (_throughput(found), _response_time(found)) if each],
        levels=[_row(level) for level in found["levels"]],
    )


def _row(level: dict[str, Any]) -> dict[str, Any]:
    return {
        "load": f"{level['level']:,g}",
        "phase": level["phase"],
        "throughput": number(level["throughput_rps"]),
        "p50": number(level["p50_ms"]),
        "p95": number(level["p95_ms"]),
        "errors": percent(level["error_rate_percent"]),
        "cpu": number(level["cpu_percent"]),
        "state": _state(level["passed"]),
        "reasons": "; ".join(level["reasons"]),
    }


def _throughput(found: Document) -> dict[str, Any] | None:
    """Throughput by the number of requests in flight, with the fitted law."""
    points = [
        (each["concurrency"], each["throughput_rps"], _state(each["passed"]))
        for each in found["levels"]
        if each["inconclusive"] is None and each["concurrency"] > 0
    ]
    if not points:
        return None
    x = Axis.logarithmic([x for x, _, _ in points])
    curve = _curve(UslFit(**found["usl"]), x) if found["usl"] else []
    most = _MOST_ABOVE * max(y for _, y, _ in points)
    heights = [*(y for _, y, _ in points), *(y for _, y in curve if y <= most)]
    plot = Plot(x, Axis.from_zero(heights))
    plot.grid("requests in flight")
    if curve:
        plot.line("fit", curve)
    return _figure("Throughput", "requests/s", plot, points)


def _response_time(found: Document) -> dict[str, Any] | None:
    """p95 of the response time by load."""
    points = [
        (each["level"], each["p95_ms"], _state(each["passed"]))
        for each in found["levels"]
        if each["p95_ms"] is not None
    ]
    if not points:
        return None
    plot = Plot(Axis.from_zero(x for x, _, _ in points), Axis.from_zero(y for _, y, _ in points))
    plot.grid(_asked(found["unit"]))
    if (capacity := found["capacity"]) is not None:
        plot.vertical("mark", capacity, f"capacity {capacity:,g}", is_labelled=True)
    return _figure("p95 of the response time", "ms", plot, points)


def _figure(
    title: str, unit: str, plot: Plot, points: Sequence[tuple[float, float, str]]
) -> dict[str, Any]:
    for x, y, state in points:
        title_of_point = f"{number(x)}: {number(y)} {unit}, {_LABELS[state]}"
        plot.point(state, x, y, title_of_point, is_cross=state == "failed")
    svg: Markup = plot.svg(f"{title}, {unit}")
    return {"title": title, "unit": unit, "svg": svg}


def _curve(usl: UslFit, axis: Axis) -> list[tuple[float, float]]:
    """The fitted law; with far less than one request in flight it may have a pole."""
    loads = [axis.at(step / 100) for step in range(101)]
    return [(x, usl.throughput_rps(x)) for x in loads if usl.slowdown(x) > 0]


def _asked(unit: str) -> str:
    """The title of a level's load."""
    return f"asked, {unit}" if unit == "/s" else unit


def _state(passed: object) -> str:
    return "passed" if passed else "failed"
