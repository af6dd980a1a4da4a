"""A chart as the page's script draws it: plain data, already in the unit that is shown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Chart: TypeAlias = dict[str, Any]
"""Data of the script. For all kinds:

    id, title, unit     words; the id is also the anchor that evidence links to
    kind                "lines", "stack", "heat" or "curve"
    placeholder         text in place of the chart: why there is none; else null

For "lines" and "stack", over time:

    x                   seconds after the load began; half, of a stack: half of each width
    series              [{"name", "y", "style"}], y as long as x, null where nothing was seen
    limits              [{"name", "grade", "y"}]: lines across
    dots                [[t, y, words]]: single requests
    log                 whether y has a logarithmic scale
    sparse              whether null means that no sample was taken

"heat" has slots [[start, length, [bucket, count, bucket, count ...]]], "curve" has series of values
at the percentiles 1 - 2**(-i/8), whiskers and marks.
"""

GRADES: Final = ("target", "warning", "critical")


def short(value: float | None) -> float | None:
    """Round to four significant digits, to keep the page small."""
    return None if value is None else float(f"{value:.4g}")


def series(name: str, y: Sequence[float | None], style: str | None = None) -> dict[str, Any]:
    """A line or area of a chart; its style is a class of the style sheet, by default its number."""
    return {"name": name, "y": [short(value) for value in y], "style": style}


def placeholder(chart_id: str, title: str, words: str) -> Chart:
    """Text in place of a chart, such as why there is nothing to draw."""
    return {"id": chart_id, "title": title, "unit": "", "kind": "lines", "placeholder": words}


def entries_of(result: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """Findings about an endpoint, or about the whole run for ""; with one endpoint, all of them."""
    sole = len(result["endpoints"]) == 1
    entries = result.get("verdict", {}).get("findings", [])
    return [entry for entry in entries if sole or (entry.get("endpoint") or "") == where]


def limits_of(result: Mapping[str, Any], rule: str, where: str) -> dict[str, float]:
    """The thresholds of a metric by grade; empty if it has none."""
    for entry in entries_of(result, where):
        if entry["rule"] == rule and entry.get("threshold"):
            return {grade: float(entry["threshold"][grade]) for grade in GRADES}
    return {}


def limit_lines(result: Mapping[str, Any], rule: str, where: str, name: str) -> list[Chart]:
    """Lines across a chart at a metric's warning and critical thresholds."""
    limits = limits_of(result, rule, where)
    if not limits:
        return []
    grades = ["warning", "critical"] if limits["warning"] != limits["critical"] else ["critical"]
    return [
        {"name": f"{name} {grade}".strip(), "grade": grade, "y": limits[grade]} for grade in grades
    ]
