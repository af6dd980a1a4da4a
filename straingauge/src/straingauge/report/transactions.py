"""Transactions of a run, as lines of text and as rows of the page's table."""

from collections.abc import Mapping
from typing import Any

from straingauge.number_text import number, percent
from straingauge.report.text import PERCENTILES, Result, percentile


def transaction_lines(result: Result) -> list[str]:
    """Return a line for each transaction: its times without and with pauses, and its ends."""
    return [f"{name}: {_line(each)}" for name, each in result.get("transactions", {}).items()]


def transaction_rows(result: Result) -> list[dict[str, str]]:
    """Return the rows of the page's table."""
    return [
        {
            "name": name,
            "completed": f"{each['completed']:,}",
            "failed": f"{each['failed']:,}",
            "abandoned": f"{each['abandoned']:,}",
            "errors": percent(each["error_rate_percent"]),
            **{key: percentile(each["latency_ms"], key) for key in PERCENTILES},
            "with_pauses": percentile(each["duration_ms"], "p95"),
        }
        for name, each in result.get("transactions", {}).items()
    ]


def _line(figures: Mapping[str, Any]) -> str:
    times = ", ".join(
        f"{name} {percentile(figures['latency_ms'], name)} ms" for name in PERCENTILES
    )
    with_pauses = figures["duration_ms"]["p95"]
    parts = [f"{figures['completed']:,} completed"]
    if figures["completed"]:
        parts.append(f"{times} without pauses, p95 {number(with_pauses, 'ms')} with pauses")
    if figures["failed"]:
        parts.append(f"{figures['failed']:,} failed ({percent(figures['error_rate_percent'])})")
    if figures["abandoned"]:
        parts.append(f"{figures['abandoned']:,} abandoned")
    return ", ".join(parts)
