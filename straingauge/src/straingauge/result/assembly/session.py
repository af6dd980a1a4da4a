"""Summarize a session of several load tests: its grade, each test's, and the first failure."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import get_args

from straingauge.diagnosis import diagnose_session, first_failure
from straingauge.result.format.read import SESSION_VERSION
from straingauge.result.format.result import (
    Result,
    RunGrade,
    Session,
    SessionTest,
    TestMetrics,
)
from straingauge.result.format.write import write_json

Judged = Sequence[tuple[Result, Path | None]]
"""Results with their verdicts, each with its file; None if it was not written."""

_FROM_BEST: Sequence[RunGrade] = get_args(RunGrade)


def summarize(judged: Judged, folder: Path) -> Session:
    """Summarize a session.

    Args:
        judged: Its load tests, at least one, in the order they ran.
        folder: The folder of the summary: files in it are named without a folder.
    """
    results = [result for result, _ in judged]
    first = first_failure(results)
    return {
        "session_version": SESSION_VERSION,
        "started_at": results[0]["started_at"],
        "grade": max((each["verdict"]["grade"] for each in results), key=_FROM_BEST.index),
        "environment": results[0]["environment"],
        "tests": [_test(result, path, folder) for result, path in judged],
        "first_failure": None if first is None else first.as_dict(),
        "diagnosis": diagnose_session(results),
    }


def write_session(judged: Judged, folder: Path) -> Path:
    """Write the summary to ``summary_<YYYYMMDD_HHMMSS>.json``, by the start of the first test.

    Raises:
        WriteError: No such directory, no space, no permission; nothing is left behind.
    """
    summary = summarize(judged, folder)
    started = datetime.fromisoformat(summary["started_at"])
    return write_json(summary, folder, "summary", started)


def _test(result: Result, path: Path | None, folder: Path) -> SessionTest:
    return {
        "name": result["name"],
        "started_at": result["started_at"],
        "grade": result["verdict"]["grade"],
        "reasons": _reasons(result),
        "metrics": _metrics(result),
        "file": None if path is None else _file_name(path, folder),
    }


def _metrics(result: Result) -> TestMetrics:
    metrics, latency = result["metrics"], result["metrics"]["latency_ms"]
    return {
        "total_requests": metrics["total_requests"],
        "duration_s": metrics["duration_s"],
        "throughput_rps": metrics["throughput_rps"],
        "error_rate_percent": metrics["error_rate_percent"],
        "rate_limited": metrics["rate_limited"],
        "p50_ms": latency["p50"],
        "p95_ms": latency["p95"],
        "p99_ms": latency["p99"],
    }


def _reasons(result: Result) -> list[str]:
    """The messages behind the grade; empty if all is well."""
    grade = result["verdict"]["grade"]
    if grade == "invalid":
        reasons = result["validity"]["reasons"]
        return [each["message"] for each in reasons if each["severity"] == "invalid"]
    if grade in ("target", "not_judged"):
        return []
    return [each["message"] for each in result["verdict"]["findings"] if each["grade"] == grade]


def _file_name(path: Path, folder: Path) -> str:
    """Name a result by its path from the summary, so that both can be moved together."""
    try:
        return os.path.relpath(path.resolve(), folder.resolve())
    except ValueError:  # on another drive of Windows
        return str(path.resolve())
