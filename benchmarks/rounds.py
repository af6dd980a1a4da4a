"""Rounds of measurements: how many, and for how long.

A round measures each generator of a case once, in turn, so that other work of the machine affects
all alike; every second round runs in reverse order, so that a drift does too. Rounds are added
until the interval of each ratio is narrow, or the time of the case is up.
"""

from collections.abc import Callable, Iterator, Sequence

from case import Case
from measurement import MeasurementError, Metrics
from results import CaseResult

MIN_ROUNDS = 3
"""The interval of two would be six times as wide as their difference."""


def case_deadline_s(now_s: float, deadline_s: float, cases: Sequence[Case]) -> float:
    """Return the moment at which the first of the cases ends.

    Cases that are measured once take the time that they need. The others share what is left by
    their number of generators, so time that a case saves goes to those after it.
    """
    first = cases[0]
    if first.once_s is not None:
        return now_s + first.once_s
    left_s = deadline_s - now_s - sum(each.once_s or 0 for each in cases)
    repeated = [len(each.measurements) for each in cases if each.once_s is None]
    return now_s + max(left_s, 0) * repeated[0] / sum(repeated)


def measure_rounds(
    result: CaseResult, setup: object, deadline_s: float, clock_s: Callable[[], float]
) -> Iterator[tuple[int, str, Metrics | str]]:
    """Measure a case, at least one round.

    No round begins that would end after the deadline if it took as long as the longest one.

    Args:
        result: What is measured; takes the measurements.
        setup: The set-up of its measurements.
        deadline_s: The end of the time for this case.
        clock_s: The clock of the deadline.

    Yields:
        After each measurement the number of the round, the generator, and its metrics or the reason
        why it failed.
    """
    number, longest_s = 0, 0.0
    while True:
        number += 1
        began_s = clock_s()
        yield from _measure_round(result, setup, number)
        now_s = clock_s()
        longest_s = max(longest_s, now_s - began_s)
        if result.case.once_s is not None or not result.rounds:
            return
        if number >= MIN_ROUNDS and result.is_settled:
            return
        if now_s + longest_s > deadline_s:
            result.is_out_of_time = True
            return


def _measure_round(
    result: CaseResult, setup: object, number: int
) -> Iterator[tuple[int, str, Metrics | str]]:
    names = [name for name in result.case.measurements if name not in result.skipped]
    for name in names if number % 2 else reversed(names):
        if name in result.failed:
            continue
        try:
            metrics = result.case.measurements[name](setup)
        except MeasurementError as error:
            result.fail(name, str(error))
            yield number, name, str(error)
        else:
            result.rounds.setdefault(name, []).append(metrics)
            yield number, name, metrics
