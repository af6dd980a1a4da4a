"""Thresholds that no measurement met: other journeys may have them, or they are misspelt."""

from collections.abc import Iterator, Mapping
from typing import Any

from straingauge.verdict.metrics import describe_part
from straingauge.verdict.thresholds import Thresholds


def uncalled_endpoints(thresholds: Thresholds, result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note of the endpoints with thresholds that the load has not called, if any."""
    missing = [name for name in thresholds.endpoints if name not in result["endpoints"]]
    if missing and result["metrics"]["total_requests"]:  # else the verdict says it
        yield f"thresholds for endpoints that were not called: {', '.join(missing)}"


def absent_parts(thresholds: Thresholds, result: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note of the scenarios, tags and transactions that the load does not have, if any."""
    absent = [part for part in thresholds.parts if part[1] not in result.get(part[0], {})]
    if absent and result["metrics"]["total_requests"]:
        named = ", ".join(describe_part(part) for part in absent)
        yield f"thresholds for what did not occur: {named}"
