"""Observations of the database, the service after the load, and the machine, as text."""

from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.number_text import count, number, share
from straingauge.report.text import Result

Pairs = list[tuple[str, str]]


def database(result: Result) -> dict[str, Any]:
    """PostgreSQL's statistics of the load; ``seen`` is false if it was not watched."""
    seen = (result.get("resources") or {}).get("database")
    if not seen:
        return {"seen": False, "summary": "not measured"}
    waits, blocked = seen.get("waits") or [], seen.get("blocked") or {}
    first = (
        f"{waits[0]['event']} {share(waits[0]['share'])} of active time" if waits else "no waits"
    )
    deadlocks = count(seen["deadlocks"], "deadlock") if seen.get("deadlocks") else ""
    missing = "; ".join(seen.get("unavailable") or [])
    return {
        "seen": True,
        "summary": ", ".join(filter(None, (first, deadlocks, missing))),
        "facts": _database_facts(seen),
        "waits": [
            {"event": each["event"], "share": share(each["share"]), "peak": each["peak"]}
            for each in waits
        ],
        "blocked": blocked.get("examples") or [],
        "statements": [
            {
                "share": share(each["share"]),
                "calls": f"{each['calls']:,}",
                "per_request": number(each["calls_per_request"]),
                "mean": number(each["mean_ms"]),
                "rows": f"{each['rows']:,}",
                "query": each["query"],
            }
            for each in seen.get("statements") or []
        ],
        "tables": [
            {name: _plain(value) for name, value in each.items()}
            for each in seen.get("tables") or []
        ],
    }


def cooldown(result: Result) -> Pairs:
    """Memory, connections and files that the service still had after the load."""
    seen = (result.get("resources") or {}).get("cooldown") or {}
    return _pairs(seen)


def environment(result: Result) -> Pairs:
    """Configuration and environment of the run, and the load generator's own statistics."""
    return [
        *_pairs(result.get("configuration") or {}),
        *_pairs(result.get("environment") or {}),
        *_pairs((result.get("resources") or {}).get("generator") or {}, "generator"),
    ]


def _database_facts(seen: Mapping[str, Any]) -> Pairs:
    kept = {key: value for key, value in seen.items() if not isinstance(value, list)}
    kept.pop("blocked", None)
    return _pairs(kept)


def _pairs(table: Mapping[str, Any], prefix: str = "") -> Pairs:
    """Every value of a nested table under its path."""
    found: Pairs = []
    for key, value in table.items():
        name = f"{prefix} {key}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            found += _pairs(value, name)
        else:
            found.append((name, _plain(value)))
    return found


def _plain(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value)) or "-"
    return str(value)
