"""Results as one self-contained page: no network, any browser, also from a file."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from straingauge.report import resources, tables
from straingauge.report.charts import charts
from straingauge.report.columns import COLUMNS
from straingauge.report.evidence import TITLES, explained
from straingauge.report.summary import names_of, summary, where
from straingauge.report.text import Result, errors_seen, grade
from straingauge.result import without_secrets
from straingauge.result.histograms import export_to

_SCRIPTS: Final = ("format.js", "scales.js", "draw.js", "cursor.js", "page.js")
_STYLES: Final = ("colours.css", "page.css", "charts.css", "print.css")
_OUTSIDE: Final = {
    "latency": "ms",
    "heat": "ms",
    "rate": "/s",
    "errors": "%",
    "parts": "ms per request",
    "curve": "ms",
}
_INSIDE: Final = {
    "cpu": "% of one core",
    "memory": "MB",
    "pool": "connections",
    "database": "connections",
    "loop": "ms per second",
    "jobs": "waiting",
    "handles": "",
}
_ROWS_OF_A_RUN: Final = 10  # the sections of templates/run.html, which stand side by side
_MOST_BESIDE: Final = 3  # runs of one name, shown side by side from the start


def page(results: Sequence[Result]) -> str:
    """The page of these results, at least one, in their order; with no secrets in it."""
    results = [without_secrets(result) for result in results]
    names = names_of(results)
    runs = [_run(result, number, names[number]) for number, result in enumerate(results)]
    script = _package_data("script", _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html")
        .render(
            headline=summary(results),
            runs=runs,
            shown=_shown_first(results),
            rows=_ROWS_OF_A_RUN,
            columns=COLUMNS,
            unsure=any("~" in str(run[name]) for run in runs for name in ("p50", "p95", "p99")),
            style=_package_data("style", _STYLES),
            script=script,
            script_hash=f"sha256-{digest}",
            data=_json([charts(result) for result in results]),
            version=version("straingauge"),
            **explained(results, names),
        )
    )


def write_page(results: Sequence[Result], folder: Path) -> Path:
    """Write the page of a session to ``report_<YYYYMMDD_HHMMSS>.html``, by its first test's start.

    Raises:
        NotWritten: No space or no right.
    """
    started = datetime.fromisoformat(results[0]["started_at"])
    return export_to(folder / f"report_{started:%Y%m%d_%H%M%S}.html", [page(results)])


def _run(result: Result, number: int, name: str) -> dict[str, Any]:
    return {
        "id": f"r{number}",
        "name": name,
        **tables.verdict_row(result),
        "where": where(result),
        "demands": tables.demands(result),
        "endpoints": tables.endpoint_rows(result),
        "slowest": tables.slowest_rows(result),
        "errors_seen": errors_seen(result),
        "database": resources.database(result),
        "after": resources.after(result),
        "reasons": result["validity"]["reasons"],
        "environment": resources.environment(result),
        "outside": [(name, TITLES[name], unit) for name, unit in _OUTSIDE.items()],
        "inside": [(name, TITLES[name], unit) for name, unit in _INSIDE.items()],
    }


def _shown_first(results: Sequence[Result]) -> list[int]:
    """The run with the worst verdict; beside it the others of its name, for one compares those."""
    worst = min(results, key=lambda result: tables.GRADES.index(grade(result)))
    same = [n for n, result in enumerate(results) if result["name"] == worst["name"]]
    return same[:_MOST_BESIDE]


def _json(data: object) -> str:
    """As the script reads it; nothing in it can end the element it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("straingauge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _package_data(folder: str, names: Sequence[str]) -> str:
    kept = files("straingauge.report") / folder
    return "\n".join((kept / name).read_text("utf-8") for name in names)
