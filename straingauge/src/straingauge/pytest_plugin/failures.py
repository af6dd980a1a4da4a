"""Failures of load tests, and of the plugin itself, in pytest's reports."""

import traceback
from pathlib import Path

import pytest

from straingauge.errors import StraingaugeError


def format_error(error: StraingaugeError) -> str:
    """Format an error with its hint."""
    return error.with_hint


def describe(error: Exception) -> str:
    """Describe an error of the plugin in one line, with the place in the code."""
    if isinstance(error, StraingaugeError):
        return error.with_hint
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"straingauge failed itself: {type(error).__name__}: {error}{where}"


def fail_report(report: pytest.TestReport, message: str) -> None:
    """Turn a report into that of a failed test; what it said before is kept below the message."""
    before = f"\n{report.longrepr}" if report.failed and report.longrepr else ""
    report.outcome = "failed"
    report.longrepr = f"{message}{before}"
