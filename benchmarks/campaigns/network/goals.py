"""The goals that a load under a fault has missed."""

from collections.abc import Iterator, Mapping
from typing import Any

from campaigns.network.faults import Fault
from campaigns.network.trial import Load

CRITICAL, INVALID = 1, 4
GENERATOR = ("generator_late", "generator_saturated", "dropped_work")
"""Reasons of an invalid run that a busy machine explains."""


def missed_goals(fault: Fault, load: Load) -> list[str]:
    """Return the names of the goals that were missed."""
    if load.exit_code is None:
        return ["ended in time"]
    if not load.result:
        return ["result"]
    return list(_missed(fault, load))


def _missed(fault: Fault, load: Load) -> Iterator[str]:
    kinds = load.result["errors"]["kinds"]
    if set(kinds) - set(fault.kinds) or (fault.fails and fault.kinds and not kinds):
        yield "kinds"
    if not _is_complete(load):
        yield "nothing lost"
    judged = is_judged(load)
    if judged and fault.fails not in {None, load.exit_code == CRITICAL}:
        yield "verdict"
    causes = [each["cause"] for each in load.result["diagnosis"]]
    must_explain = load.exit_code == CRITICAL and fault.causes
    if must_explain and (not causes or causes[0] not in fault.causes):
        yield "first cause"
    if load.result["metrics"]["latency_ms"]["p50"] < fault.p50_ms:
        yield "times"


def is_judged(load: Load) -> bool:
    """Return false if the machine was too busy to generate the load in time."""
    reasons = load.result["validity"]["reasons"]
    severe = {each["reason"] for each in reasons if each["severity"] == "invalid"}
    return load.exit_code != INVALID or not severe <= set(GENERATOR)


def _is_complete(load: Load) -> bool:
    """Return true if each request is a response or an error, and was counted on both sides."""
    result = load.result
    generator = result["resources"]["generator"]
    sent = generator["sent"] + _reconnects(generator)
    total, errors = result["metrics"]["total_requests"], sum(result["errors"]["kinds"].values())
    responses: int = sum(result["status_codes"].values())
    has_messages = any(name.startswith("WS ") for name in result["endpoints"])
    # A message of a WebSocket is counted as well, and has no status.
    is_whole = total >= responses + errors if has_messages else total == responses + errors
    return bool(is_whole and load.answered >= responses and load.received <= sent)


def _reconnects(generator: Mapping[str, Any]) -> int:
    return sum(each["reconnects"] for each in generator["processes"].values())
