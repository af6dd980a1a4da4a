"""Thresholds that are missed even without the waits for a CPU that others have taken."""

from collections.abc import Mapping
from operator import ge, gt
from typing import Any

from straingauge.diagnosis.onset import LIMITS
from straingauge.diagnosis.result_view import ResultView, number


def sends_without_pause(result: ResultView) -> bool:
    """Return whether each user sends the next request as soon as there is a response."""
    schedule = result.table("configuration", "schedule")
    return schedule.get("kind") == "constantusers" and not schedule.get("think_s")


def still_missed_without(result: ResultView, share: float) -> str | None:
    """Describe a threshold that would still be missed if a share of the response time was saved.

    Users who send the next request as soon as they have a response let the response times shrink in
    proportion, full CPU or not (Little's law: times are users by throughput). With pauses, or in an
    open schedule, they shrink more, so that nothing can be said.

    Args:
        result: The result.
        share: The share of the response time, from 0 to 1.

    Returns:
        None if all that were missed would be met, or that is unknown.
    """
    if not sends_without_pause(result):
        return None
    sentences = (_still_missed(entry, share) for entry in result.failures)
    return next((each for each in sentences if each is not None), None)


def _still_missed(entry: Mapping[str, Any], share: float) -> str | None:
    rule, value_ms = str(entry.get("rule")), number(entry, "value")
    limit_ms = number(entry, "threshold", LIMITS[str(entry.get("grade"))])
    if not rule.endswith("_ms") or value_ms is None or limit_ms is None:
        return None
    misses = gt if entry.get("grade") == "acceptable" else ge
    remaining_ms = value_ms * (1 - share)
    if not misses(remaining_ms, limit_ms):
        return None
    return (
        f"without these waits, {rule.removesuffix('_ms')} would still be {remaining_ms:.0f} ms,"
        f" with a limit of {limit_ms:.0f} ms"
    )
