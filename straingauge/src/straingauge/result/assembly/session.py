"""One file for a session of several load tests: its grade, each test's, and what broke first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from straingauge.diagnosis import diagnose_session, first_failure
from straingauge.result.format.read import SESSION_VERSION
from straingauge.result.format.write import write_json
from straingauge.verdict.grade import GRADES

Judged = Sequence[tuple[Mapping[str, Any], Path | None]]
"""Results with their verdicts, each with its file, None where there is none."""

_FROM_BEST = (*GRADES, "invalid")
_FIGURES = ("total_requests", "duration_s", "throughput_rps", "error_rate_percent", "rate_limited")
_PERCENTILES = ("p50", "p95", "p99")


def summarize(judged: Judged, folder: Path) -> dict[str, Any]:
    """A session's summary.

    Args:
        judged: Its load tests, at least one, in the order they ran.
        folder: Where the summary will be: files in it are named without a folder.
    """
    results = [result for result, _ in judged]
    grades = [result["verdict"]["grade"] for result in results]
    first = first_failure(results)
    return {
        "session_version": SESSION_VERSION,
        "started_at": results[0]["started_at"],
        "grade": max(grades, key=_FROM_BEST.index),
        "environment": results[0]["environment"],
        "tests": [_test(result, path, folder) for result, path in judged],
        "first_failure": asdict(first) if first else None,
        "diagnosis": diagnose_session(results),
    }


def write_session(judged: Judged, folder: Path) -> Path:
    """Write the summary to ``summary_<YYYYMMDD_HHMMSS>.json``, by the first test's start.

    Raises:
        WriteError: No such directory, no space, no right; nothing is left behind.
    """
    summary = summarize(judged, folder)
    started = datetime.fromisoformat(summary["started_at"])
    return write_json(summary, folder, "summary", started)


def _test(result: Mapping[str, Any], path: Path | None, folder: Path) -> dict[str, Any]:
    metrics, grade = result["metrics"], result["verdict"]["grade"]
    return {
        "name": result["name"],
        "started_at": result["started_at"],
        "grade": grade,
        "reasons": _decided_by(result),
        "metrics": {
            **{name: metrics[name] for name in _FIGURES},
            **{f"{name}_ms": metrics["latency_ms"][name] for name in _PERCENTILES},
        },
        "file": None if path is None else _named(path, folder),
    }


def _decided_by(result: Mapping[str, Any]) -> list[str]:
    """The messages of what earned the grade: none where all is well."""
    grade = result["verdict"]["grade"]
    if grade == "invalid":
        reasons = result["validity"]["reasons"]
        return [each["message"] for each in reasons if each["severity"] == "invalid"]
    if grade in ("target", "acceptable"):
        return []
    return [each["message"] for each in result["verdict"]["findings"] if each["grade"] == grade]


def _named(path: Path, folder: Path) -> str:
    return path.name if path.parent.resolve() == folder.resolve() else str(path.resolve())
