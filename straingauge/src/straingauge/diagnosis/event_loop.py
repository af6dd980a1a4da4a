"""The share of the time in which an event loop was in a step, from the snapshots of a profile."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from straingauge.diagnosis.result_view import ResultView, number

MIN_SNAPSHOTS: Final = 30  # a share of 20 % of fewer is within the precision of sampling (binomial)
_LOOPS: Final = {"run_until_complete", "run_forever"}
_IDLE: Final = {*_LOOPS, "run", "_run_once", "select", "poll"}
"""Innermost functions of a loop that waits for events; uvloop waits below `run`."""


def occupied_loop(result: ResultView) -> float | None:
    """Return the highest share of the snapshots in which a thread's event loop was in a step.

    Returns:
        From 0 to 1; None if there are too few snapshots, or no event loop in them.
    """
    taken = result.figure("profile", "snapshots", "count")
    if taken < MIN_SNAPSHOTS:
        return None
    frames = result.rows("profile", "frames")
    in_a_step: Counter[tuple[Any, Any]] = Counter()
    for stack in result.rows("profile", "stacks"):
        if stack.get("state") == "thread" and _is_in_a_step(stack, frames):
            thread = stack.get("process"), stack.get("thread")
            in_a_step[thread] += int(number(stack, "samples") or 0)
    return min(max(in_a_step.values()) / taken, 1.0) if in_a_step else None


def _is_in_a_step(stack: Mapping[str, Any], frames: list[Mapping[str, Any]]) -> bool:
    indexes = stack.get("frames")
    if not isinstance(indexes, list):
        return False
    names = [
        str(frames[each].get("function")).rpartition(".")[2]
        for each in indexes
        if isinstance(each, int) and 0 <= each < len(frames)
    ]
    return not _LOOPS.isdisjoint(names) and names[-1] not in _IDLE
