"""A chart as the page's script draws it: plain data, already in the unit that is shown."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Chart: TypeAlias = dict[str, Any]
"""What the script gets. Of all kinds:

    id, title, unit     words; the id is also the anchor that evidence links to
    kind                "lines", "stack", "heat" or "curve"
    instead             words that stand in place of a chart: why there is none; else null

Of "lines" and "stack", over time:

    x                   seconds after the load began; half, of a stack: half of each width
    series              [{"name", "y", "style"}], y as long as x, null where nothing was seen
    limits              [{"name", "grade", "y"}]: lines across
    dots                [[t, y, words]]: single requests
    log                 whether y has a logarithmic scale
    sparse              whether null means no look rather than nothing there

"heat" has slots [[start, length, [bucket, count, bucket, count ...]]], "curve" has series of values
at the percentiles 1 - 2**(-i/8), whiskers and marks.
"""

GRADES: Final = ("target", "warning", "critical")


def short(value: float | None) -> float | None:
    """Four figures, which is more than a chart shows, keep the page small."""
    return None if value is None else float(f"{value:.4g}")


def series(name: str, y: Sequence[float | None], style: str | None = None) -> dict[str, Any]:
    """One line or area of a chart; its style is a class of the style sheet, else by its place."""
    return {"name": name, "y": [short(value) for value in y], "style": style}


def placeholder(chart_id: str, title: str, words: str) -> Chart:
    """Words in place of a chart: what was not measured, or that nothing happened."""
    return {"id": chart_id, "title": title, "unit": "", "kind": "lines", "instead": words}


def entries_of(result: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """What the verdict has on an endpoint, or "": on the whole; a sole endpoint is the whole."""
    sole = len(result["endpoints"]) == 1
    entries = result.get("verdict", {}).get("entries", [])
    return [entry for entry in entries if sole or (entry.get("where") or "") == where]


def limits_of(result: Mapping[str, Any], rule: str, where: str) -> dict[str, float]:
    """What the verdict demanded of a metric, by grade; empty where nothing was."""
    for entry in entries_of(result, where):
        if entry["rule"] == rule and entry.get("limits"):
            return {grade: float(entry["limits"][grade]) for grade in GRADES}
    return {}


def limit_lines(result: Mapping[str, Any], rule: str, where: str, name: str) -> list[Chart]:
    """The lines across a chart from which on a metric is a warning, and critical."""
    limits = limits_of(result, rule, where)
    if not limits:
        return []
    grades = ["warning", "critical"] if limits["warning"] != limits["critical"] else ["critical"]
    return [
        {"name": f"{name} {grade}".strip(), "grade": grade, "y": limits[grade]} for grade in grades
    ]
