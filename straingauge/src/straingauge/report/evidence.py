"""The charts and tables of the page that show a cause's evidence."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from straingauge.diagnosis import CAUSES, FirstFailure, first_failure
from straingauge.report.locations import shown_places
from straingauge.report.text import CERTAIN, EVIDENCE, Result, shown_causes

TITLES: Final[Mapping[str, str]] = {
    "latency": "Response time",
    "heat": "Response times, all requests",
    "curve": "Latency by percentile",
    "rate": "Requests per second",
    "errors": "Errors",
    "parts": "Response time by part",
    "cpu": "CPU",
    "memory": "Memory of the service",
    "pool": "Connection pool",
    "database": "PostgreSQL",
    "loop": "Event loop blocked",
    "jobs": "Background jobs",
    "handles": "Open files and threads",
    "profile": "Profile",
    "traces": "Traces",
    "plans": "Query plans",
    "thresholds": "Thresholds",
    "endpoints": "Endpoints",
    "slowest": "The slowest requests",
    "errors-seen": "The errors",
    "waits": "PostgreSQL's waits",
    "statements": "Statements",
    "tables": "Tables",
    "cooldown": "After the load",
    "validity": "Validity",
}
"""Titles of the charts and tables that a link can lead to, by the end of its anchor."""

INSIDE: Final = ("streams", "websockets", "profile", "traces", "plans")
"""Sections that only a page with such results has."""


def has_section(result: Result, name: str) -> bool:
    """Check whether a result has what one of the sections in `INSIDE` shows."""
    return bool(result.get(name) or result["metrics"].get(name))


def explained(results: Sequence[Result], names: Sequence[str]) -> dict[str, Any]:
    """Return what broke first and the causes of all runs, with links to their evidence.

    Args:
        results: In the order of the page.
        names: Their names on the page.
    """
    first = first_failure(results)
    where = {f"r{n}": (names[n], result) for n, result in enumerate(results)}
    return {
        "first": first and _first(first, where),
        "causes": [_shown(each, where) for each in shown_causes(results)],
    }


def _first(first: FirstFailure, where: Mapping[str, tuple[str, Result]]) -> dict[str, Any]:
    anchor, name = next(
        (anchor, name)
        for anchor, (name, result) in where.items()
        if result["name"] == first.test
        and any(entry["message"] == first.message for entry in result["verdict"]["findings"])
    )
    return {
        "opening": first.opening,
        "test": name,
        "message": first.message,
        "at_s": first.at_s,
        "anchor": anchor,
    }


def _shown(cause: Mapping[str, Any], where: Mapping[str, tuple[str, Result]]) -> dict[str, Any]:
    return {
        "title": cause["title"],
        "percent": round(100 * cause["confidence"]),
        "sure": cause["confidence"] >= CERTAIN,
        "evidence": cause["evidence"][: 2 * EVIDENCE],
        "advice": cause["advice"],
        "where": shown_places(cause),
        "places": [
            {
                "name": name,
                "links": [
                    {"title": TITLES[place], "anchor": f"{anchor}-{place}"}
                    for place in CAUSES[cause["cause"]].charts
                    if place not in INSIDE or has_section(result, place)
                ],
            }
            for anchor, (name, result) in where.items()
            if any(each["cause"] == cause["cause"] for each in result.get("diagnosis") or [])
        ],
    }
