"""The share of the time in which an event loop was in a step, or its thread in a blocking call."""

from collections import Counter
from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

from straingauge.diagnosis.result_view import ResultView, number
from straingauge.observe.runtime import LOOP_SERVERS

MIN_SNAPSHOTS: Final = 30  # a share of 20 % of fewer is within the precision of sampling (binomial)
_LOOPS: Final = {"run_until_complete", "run_forever"}
_IDLE: Final = {*_LOOPS, "run", "_run_once", "select", "poll"}
"""Innermost functions of a loop that waits for events; uvloop waits below `run`."""


_Z95: Final = 1.96  # standard deviations
MUCH_BLOCKED: Final = 0.2  # of the time; below it few requests meet a blocked loop


def blocked_loop_thread(result: ResultView) -> float | None:
    """Return the share of looks that met the thread of an event loop in a blocking call.

    The kernel shows it for any language; a thread that computes is not in a call. Servers that
    serve one request at a time, such as uWSGI and Unicorn, may wait for connections in the same
    way, and are no event loops.

    Returns:
        The lower end of its 95 % confidence interval; None if that is too low to explain anything,
        or if it is not certain that the server is an event loop.
    """
    service = ("resources", "service")
    thread = (*service, "loop_thread")
    if (
        result.at(*service, "runtime", "language") != "javascript"
        and result.at(*service, "runtime", "server") not in LOOP_SERVERS
    ):
        return None
    looks = result.figure(*thread, "samples")
    low = _lowest(result.figure(*thread, "blocked_share"), looks) if looks else 0.0
    return low if low >= MUCH_BLOCKED else None


def _lowest(share: float, count: float) -> float:
    """Return the lower end of the 95 % interval of a share (E. B. Wilson, JASA 22, 1927)."""
    square = _Z95**2 / count
    half = sqrt(square * (share * (1 - share) + square / 4))
    return (share + square / 2 - half) / (1 + square)


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
