"""A session in one sentence and a few numbers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from straingauge.number_text import number, percent, share
from straingauge.report.grades import RUN_GRADES
from straingauge.report.text import Result, grade, shown_causes

_WITHOUT_FINDING: Final = ("invalid", "no_data", "target")
"""Grades whose causes explain no missed threshold."""


def summary(results: Sequence[Result]) -> dict[str, Any]:
    """The finding, the session's worst grade, and the tiles of the page's head."""
    grades = Counter(grade(result) for result in results)
    shown = worst(results)
    sentence = _sentence(results, grades, grade(shown))
    finding = _finding(results, shown)
    return {
        "grade": grade(shown),
        "headline": finding or sentence,
        "sentence": sentence if finding else "",
        "where": where(shown),
        "test": names_of(results)[list(results).index(shown)] if len(results) > 1 else "",
        "tiles": _tiles(shown),
    }


def worst(results: Sequence[Result]) -> Result:
    """The run with the worst verdict; of equal ones the longest."""
    return min(
        results,
        key=lambda result: (RUN_GRADES.index(grade(result)), -result["metrics"]["duration_s"]),
    )


def _finding(results: Sequence[Result], shown: Result) -> str:
    """The likeliest cause of what the worst run failed, without advice: some of it is no fix.

    Empty if there is none.
    """
    if grade(shown) in _WITHOUT_FINDING:
        return ""
    for cause in shown_causes(results):
        if shown["name"] in cause["tests"]:
            title = cause["title"]
            return f"{title[:1].upper()}{title[1:]} ({share(cause['confidence'])} sure)"
    return ""


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


def _tiles(result: Result) -> list[dict[str, str]]:
    metrics, latency = result["metrics"], result["metrics"]["latency_ms"]
    failed, memory = sum(result["errors"]["kinds"].values()), _memory(result)
    return [
        _tile(
            "requests",
            f"{metrics['total_requests']:,}",
            "",
            f"in {number(metrics['duration_s'])} s of load",
        ),
        _tile("errors", f"{failed:,}", "", f"{percent(metrics['error_rate_percent'])} of requests"),
        _tile("p95", number(latency["p95"]), "ms", f"p50 {number(latency['p50'], 'ms')}"),
        _tile("rate", number(metrics["throughput_rps"]), "/s", "achieved"),
        _tile(
            "service memory",
            "-" if memory is None else f"{memory:,.0f}",
            "" if memory is None else "MB",
            "not measured" if memory is None else "at its peak",
        ),
    ]


def _tile(name: str, value: str, unit: str, more: str) -> dict[str, str]:
    return {"name": name, "value": value, "unit": unit, "more": more}


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
