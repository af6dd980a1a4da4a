"""The moment during a load at which other programs begin to use CPU time, and stay."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from straingauge.diagnosis.interval_times import quantile_ms
from straingauge.diagnosis.result_view import ResultView, number

OWNERS = ("service_family_cpu_s", "database_cpu_s", "generator_cpu_s")
MIN_STEPS = 2  # samples on each side of an arrival
MIN_MORE_PERCENT = 30.0  # of one core
FEW = 0.5  # of their later use: what other programs used before


@dataclass(frozen=True, slots=True)
class Arrival:
    """CPU time and response times around the arrival of other programs.

    Attributes:
        start_s: Time in the load.
        others_percent: CPU time of other programs from then on, in percent of one core.
        machine_percent: CPU time of all programs from then on.
        p50_before_ms, p50_after_ms: Median response times; None if they are unknown.
    """

    start_s: float
    others_percent: float
    machine_percent: float
    p50_before_ms: float | None
    p50_after_ms: float | None


def arrival_of_others(result: ResultView) -> Arrival | None:
    """Find the moment from which on other programs used much more CPU time than before.

    Their use is lower in every sample before than in any after, so programs that come and go have
    no arrival.
    """
    steps = _steps(result)
    for split in range(MIN_STEPS, len(steps) - MIN_STEPS + 1):
        before, after = steps[:split], steps[split:]
        highest = max(others for _, others, _ in before)
        lowest = min(others for _, others, _ in after)
        if lowest - highest >= MIN_MORE_PERCENT and highest <= FEW * lowest:
            start_s = after[0][0]
            return Arrival(
                start_s,
                statistics.mean(others for _, others, _ in after),
                statistics.mean(machine for _, _, machine in after),
                *_medians_ms(result, start_s),
            )
    return None


def percent_of(result: ResultView, key: str) -> float | None:
    """Return the mean CPU time of a group of processes in percent of one core; None if unknown."""
    counted = result.samples(key)
    if len(counted) <= MIN_STEPS:
        return None
    (start_s, before), (end_s, after) = counted[0], counted[-1]
    return 100 * (after - before) / (end_s - start_s) if end_s > start_s else None


def _steps(result: ResultView) -> list[tuple[float, float, float]]:
    """Return the start of each step between samples, and CPU time of others and of all in it."""
    counted = []
    for row in result.rows("resources", "samples"):
        keys = ("t_s", "machine_cpu_s", *OWNERS)
        known = [value for key in keys if (value := number(row, key)) is not None]
        if len(known) == len(keys):
            t_s, machine_s, *owners_s = known
            counted.append((t_s, machine_s - sum(owners_s), machine_s))
    return [
        (t_s, 100 * (others - before) / (end_s - t_s), 100 * (machine - all_before) / (end_s - t_s))
        for (t_s, before, all_before), (end_s, others, machine) in pairwise(counted)
        if end_s > t_s
    ]


def _medians_ms(result: ResultView, at_s: float) -> tuple[float | None, float | None]:
    """Return the median of the intervals' median response times before and after a moment."""
    before: list[float] = []
    after: list[float] = []
    for row in result.rows("intervals"):
        start_s, median_ms = number(row, "start_s"), quantile_ms(row, 0.5)
        if start_s is not None and median_ms is not None:
            (after if start_s >= at_s else before).append(median_ms)
    return _median(before), _median(after)


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None
