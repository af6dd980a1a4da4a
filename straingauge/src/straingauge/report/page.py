"""Results of runs as one self-contained HTML page: it loads nothing and opens from a file."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from straingauge.redaction import without_secrets
from straingauge.report import html, resources, tables
from straingauge.report.charts import charts
from straingauge.report.evidence import INSIDE, TITLES, explained, has_section
from straingauge.report.plans import plans
from straingauge.report.profile import flame_graph, profile
from straingauge.report.scenarios import scenario_rows
from straingauge.report.streams import stream_rows
from straingauge.report.summary import names_of, summary, where, worst
from straingauge.report.text import PERCENTILES, Result, error_lines
from straingauge.report.transactions import transaction_rows
from straingauge.report.waterfall import traces
from straingauge.report.websockets import websocket_rows
from straingauge.result.format.write import write_lines

_SCRIPTS: Final = (*html.CHART_SCRIPTS, "copy.js", "page.js", "sort.js")
_TRAFFIC_UNITS: Final = {
    "latency": "ms",
    "heat": "ms",
    "rate": "/s",
    "errors": "%",
    "parts": "ms per request",
    "curve": "ms",
}
_RESOURCE_UNITS: Final = {
    "cpu": "% of one core",
    "memory": "MB",
    "pool": "connections",
    "database": "connections",
    "loop": "ms per second",
    "jobs": "waiting",
    "handles": "",
}
_SECTIONS: Final = 10  # of templates/run.html, aligned where runs are side by side
_MOST_SIDE_BY_SIDE: Final = 3  # runs of one name that are shown at first


def page(results: Sequence[Result]) -> str:
    """Render the page of one or more results in their order, without secrets."""
    results = [without_secrets(result) for result in results]
    names = names_of(results)
    inside = [name for name in INSIDE if any(has_section(each, name) for each in results)]
    has_flame_graph = any(flame_graph(result) for result in results)
    scripts = (*_SCRIPTS, "flame.js") if has_flame_graph else _SCRIPTS
    runs = [_run(result, number, names[number]) for number, result in enumerate(results)]
    return html.render(
        "page.html",
        script=html.package_text("script", scripts),
        summary=summary(results),
        runs=runs,
        shown=_shown_first(results),
        sections=_SECTIONS + len(inside),
        inside=inside,
        columns=tables.COLUMNS,
        has_bullets=any(run["bullet"] for run in runs),
        has_rough=any("~" in str(run[name]) for run in runs for name in PERCENTILES),
        data=html.embedded_json([_data(result) for result in results]),
        **explained(results, names),
    )


def write_page(results: Sequence[Result], folder: Path) -> Path:
    """Write the page of a session to ``report_<YYYYMMDD_HHMMSS>.html``, by its first test's start.

    Raises:
        WriteError: The disk is full, or the folder is not writable.
    """
    started = datetime.fromisoformat(results[0]["started_at"])
    return write_lines(folder / f"report_{started:%Y%m%d_%H%M%S}.html", [page(results)])


def _run(result: Result, number: int, name: str) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "number": number,
        "name": name,
        **tables.verdict_row(result),
        "where": where(result),
        "thresholds": tables.threshold_rows(result),
        "endpoints": tables.endpoint_rows(result),
        "scenarios": scenario_rows(result),
        "transactions": transaction_rows(result),
        "slowest": tables.slowest_rows(result),
        "errors_seen": error_lines(result),
        "database": resources.database(result),
        "cooldown": resources.cooldown(result),
        "streams": stream_rows(result),
        "websockets": websocket_rows(result),
        "profile": profile(result),
        "has_flame_graph": flame_graph(result) is not None,
        "traces": traces(result),
        "plans": plans(result),
        "reasons": result["validity"]["reasons"],
        "environment": resources.environment(result),
        "traffic_charts": [(name, TITLES[name], unit) for name, unit in _TRAFFIC_UNITS.items()],
        "resource_charts": [(name, TITLES[name], unit) for name, unit in _RESOURCE_UNITS.items()],
    }


def _data(result: Result) -> dict[str, Any]:
    """Return what the page's script draws."""
    return {**charts(result), "flame_graph": flame_graph(result)}


def _shown_first(results: Sequence[Result]) -> list[int]:
    """Numbers of the runs with the name of the run that has the worst verdict."""
    name = worst(results)["name"]
    same = [n for n, result in enumerate(results) if result["name"] == name]
    return same[:_MOST_SIDE_BY_SIDE]
