"""Arrivals at a rate that changes linearly from stage to stage."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import TypeAlias

from straingauge.errors import UsageError
from straingauge.schedule.arguments import (
    require_countable,
    require_not_negative,
    require_positive,
    whole_arrivals,
)

RateStage: TypeAlias = tuple[float, float]
"""A duration in seconds, and the rate per second at its end."""


@dataclass(frozen=True, slots=True)
class RampingRate:
    """Arrivals at a rate that changes linearly from one stage's target to the next, from 0 on.

    Arrival n starts when the integral of the rate over all stages reaches n, so that none is lost
    or doubled between stages. A stage of 0 s jumps to its target.
    """

    stages: tuple[RateStage, ...]

    def __post_init__(self) -> None:
        for number, (duration_s, target_per_s) in enumerate(self.stages, 1):
            require_not_negative(
                **{
                    f"duration_s of stage {number}": duration_s,
                    f"the rate of stage {number}": target_per_s,
                }
            )
        if not self.stages:
            raise UsageError("at least one stage is needed", hint='stages("30s:100/s")')
        require_positive(**{"the duration of all stages": self.duration_s})
        expected = _begins(self.stages)[0][-1]
        if not expected > 0:
            raise UsageError("the rates of all stages are 0: nothing would ever arrive")
        require_countable(expected)

    @property
    def count(self) -> int:
        """Number of arrivals; the last one starts before the end of the last stage."""
        return whole_arrivals(_begins(self.stages)[0][-1])

    @property
    def duration_s(self) -> float:
        """Duration of all stages, in seconds."""
        return sum(duration_s for duration_s, _ in self.stages)

    @property
    def peak_per_s(self) -> float:
        """Highest rate of any moment."""
        return max(target for _, target in self.stages)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts: when the integral of the rate reaches n."""
        if n >= self.count:
            return None
        due, begins_s = _begins(self.stages)
        # Of stages that start with the same number due, all but the last have no arrivals.
        stage = min(bisect_right(due, n), len(self.stages)) - 1
        duration_s, target = self.stages[stage]
        rate = self.stages[stage - 1][1] if stage else 0.0
        left = n - due[stage]
        if left <= 0:
            return begins_s[stage]
        # The root of the quadratic, as in `Ramp`; a rounding error may leave none at the very end.
        root = sqrt(max(0.0, rate * rate + 2 * left * (target - rate) / duration_s))
        return begins_s[stage] + min(2 * left / (rate + root), duration_s)


@lru_cache(maxsize=16)
def _begins(stages: tuple[RateStage, ...]) -> tuple[list[float], list[float]]:
    """Return for each stage's start, and for the end, the arrivals due before and the time in s."""
    due, begins_s, rate = [0.0], [0.0], 0.0
    for duration_s, target in stages:
        due.append(due[-1] + (rate + target) / 2 * duration_s)
        begins_s.append(begins_s[-1] + duration_s)
        rate = target
    return due, begins_s
