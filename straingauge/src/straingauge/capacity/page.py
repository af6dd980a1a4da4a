"""A search for capacity as one HTML page: two charts, a summary and a table; no script."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from markupsafe import Markup

from straingauge.capacity.terminal import Document, capacity_text, load_text, summary_rows
from straingauge.capacity.usl import UslFit
from straingauge.number_text import count, number, percent
from straingauge.report import html
from straingauge.report.svg import Axis, Plot

_LABELS: Final = {"passed": "passed", "failed": "did not pass"}
_HEAD: Final = ("capacity", "knee", "limit")  # of the summary, shown in the page's head
_MOST_ABOVE: Final = 2.0
"""Times the highest measurement that the chart leaves for a fitted law above it."""


def page(found: Document) -> str:
    """Render the page of a search."""
    return html.render(
        "capacity.html",
        package="straingauge.capacity",
        headline=_headline(found),
        limit=next((text for label, text in summary_rows(found) if label == "limit"), ""),
        tiles=[*_tiles(found)],
        load=_asked(found["unit"]),
        lines=[row for row in summary_rows(found) if row[0] not in _HEAD],
        charts=[each for each in (_throughput(found), _response_time(found)) if each],
        levels=[_row(level) for level in found["levels"]],
    )


def _headline(found: Document) -> str:
    """The capacity in a sentence."""
    if found["capacity"] is None:
        return f"Capacity of {found['name']}: {capacity_text(found)}"
    least = "at least " if found["is_lower_bound"] else ""
    return f"{found['name']} carries {least}{load_text(found['capacity'], found['unit'])}"


def _tiles(found: Document) -> Iterator[dict[str, str]]:
    """Yield what was measured at the capacity, and the knee."""
    runs = [
        level
        for level in found["levels"]
        if level["level"] == found["capacity"] and level["passed"]
    ]
    if runs:
        confirmed = f"lowest of {count(len(runs), 'run')}"
        rates, p95s = ([run[key] for run in runs] for key in ("throughput_rps", "p95_ms"))
        yield _tile("achieved rate", number(min(rates)), "/s", confirmed)
        highest = f"highest of {count(len(runs), 'run')}"
        yield _tile("p95", number(max(filter(None, p95s), default=None)), "ms", highest)
    if found["knee"] is not None:
        knee = load_text(found["knee"], found["unit"])
        yield _tile("knee", knee, "", "above it, load mostly adds latency")
    if found["usl"] and (peak_rps := found["usl"]["peak_rps"]) is not None:
        yield _tile("predicted peak", number(peak_rps), "/s", "by the fitted law")


def _tile(name: str, value: str, unit: str, more: str) -> dict[str, str]:
    return {"name": name, "value": value, "unit": unit, "more": more}


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
