"""A session in one sentence and a few numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from straingauge.report.format import number, percent
from straingauge.report.grades import RUN_GRADES
from straingauge.report.text import Result, grade


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """The session's worst grade, a sentence about it, and the tiles of the page's head."""
    grades = Counter(grade(result) for result in results)
    worst = min(grades, key=RUN_GRADES.index)
    return {
        "grade": worst,
        "sentence": _sentence(results, grades, worst),
        "where": where(results[0]),
        "tiles": _tiles(results),
    }


def _sentence(results: Sequence[Result], grades: Mapping[str, int], worst: str) -> str:
    words = {
        "target": "met every target",
        "acceptable": "missed a target",
        "warning": "gave a warning",
        "critical": "crossed a critical threshold",
        "no_data": "had no data for a threshold",
        "invalid": "is invalid: no conclusion can be drawn",
        "not_judged": "was not judged: no threshold for response times or throughput",
    }
    if len(results) == 1:
        return f"{results[0]['name']} {words[worst]}"
    if worst == "target":
        return f"All {len(results)} load tests {words[worst]}"
    return f"{grades[worst]} of {len(results)} load tests {words[worst]}"


def _tiles(results: Sequence[Result]) -> list[dict[str, str]]:
    requests = sum(result["metrics"]["total_requests"] for result in results)
    failed = sum(sum(result["errors"]["kinds"].values()) for result in results)
    slowest = max(results, key=lambda result: result["metrics"]["latency_ms"]["p95"] or 0)
    busiest = max(results, key=lambda result: result["metrics"]["throughput_rps"])
    memory = [m for result in results if (m := _memory(result)) is not None]
    return [
        _tile("requests", f"{requests:,}", "", f"in {_seconds(results):,.0f} s of load"),
        _tile(
            "errors", f"{failed:,}", "", f"{percent(100 * failed / max(1, requests))} of requests"
        ),
        _tile(
            "highest p95", number(slowest["metrics"]["latency_ms"]["p95"]), "ms", slowest["name"]
        ),
        _tile(
            "highest rate", f"{busiest['metrics']['throughput_rps']:,.0f}", "/s", busiest["name"]
        ),
        _tile(
            "service memory",
            f"{max(memory):,.0f}" if memory else "-",
            "MB" if memory else "",
            "at its peak" if memory else "not measured",
        ),
    ]


def _tile(name: str, value: str, unit: str, more: str) -> dict[str, str]:
    return {"name": name, "value": value, "unit": unit, "more": more}


def _seconds(results: Sequence[Result]) -> float:
    return float(sum(result["metrics"]["duration_s"] for result in results))


def _memory(result: Result) -> float | None:
    service = (result.get("resources") or {}).get("service") or {}
    peak = (service.get("memory") or {}).get("peak_mb")
    return None if peak is None else float(peak)


def names_of(results: Sequence[Result]) -> list[str]:
    """Names of the runs, with the time of their start if several have the same."""
    count = Counter(result["name"] for result in results)
    return [
        f"{result['name']} {datetime.fromisoformat(result['started_at']):%H:%M:%S}"
        if count[result["name"]] > 1
        else str(result["name"])
        for result in results
    ]


def where(result: Result) -> str:
    """Start, target and commit of a run."""
    started = datetime.fromisoformat(result["started_at"])
    commit = (result.get("environment") or {}).get("commit") or {}
    named = f"commit {commit['id'][:9]}" if commit.get("id") else ""
    parts = (
        f"{started:%d %B %Y, %H:%M:%S}".lstrip("0"),
        str((result.get("configuration") or {}).get("target") or ""),
        f"{named}{' with changes' if commit.get('modified') else ''}",
    )
    return " · ".join(filter(None, parts))
