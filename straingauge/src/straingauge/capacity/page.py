"""A search for capacity as one HTML page: two charts, a summary and a table; no script."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from markupsafe import Markup

from straingauge.capacity.terminal import Document, summary_rows
from straingauge.capacity.usl import UslFit
from straingauge.report import html
from straingauge.report.format import number, percent
from straingauge.report.svg import Axis, Plot

_LABELS: Final = {"passed": "passed", "failed": "did not pass"}


def page(found: Document) -> str:
    """Render the page of a search."""
    return html.render(
        "capacity.html",
        package="straingauge.capacity",
        name=found["name"],
        unit=found["unit"],
        lines=list(summary_rows(found)),
        charts=[each for each in (_throughput(found), _response_time(found)) if each],
        levels=[_row(level) for level in found["levels"]],
    )


def _row(level: dict[str, Any]) -> dict[str, Any]:
    return {
        "load": f"{level['level']:g}",
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
    plot = Plot(
        Axis.logarithmic([x for x, _, _ in points]), Axis.from_zero(y for _, y, _ in points)
    )
    plot.grid("requests in flight")
    if found["usl"]:
        plot.line("fit", _curve(UslFit(**found["usl"]).throughput_rps, plot.x))
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
    plot.grid(f"load, {found['unit']}")
    if (capacity := found["capacity"]) is not None:
        plot.vertical("mark", capacity, f"capacity {capacity:g}", is_labelled=True)
    return _figure("p95 of the response time", "ms", plot, points)


def _figure(
    title: str, unit: str, plot: Plot, points: Sequence[tuple[float, float, str]]
) -> dict[str, Any]:
    for x, y, state in points:
        plot.point(state, x, y, f"{x:.3g}: {number(y)} {unit}, {_LABELS[state]}")
    svg: Markup = plot.svg(f"{title}, {unit}")
    return {"title": title, "unit": unit, "svg": svg}


def _curve(of: Callable[[float], float], axis: Axis) -> list[tuple[float, float]]:
    return [(x, of(x)) for x in (axis.at(step / 100) for step in range(101))]


def _state(passed: object) -> str:
    return "passed" if passed else "failed"
