"""One constant rate after another."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_countable, require_positive, whole_arrivals

Step = tuple[float, float]
"""A rate per second, and for how many seconds it holds."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Arrivals at one constant rate after another, with nothing lost or doubled in between."""

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if not self.steps:
            raise UsageError("steps needs at least one (rate_per_s, duration_s)")
        for number, (rate_per_s, duration_s) in enumerate(self.steps, 1):
            require_positive(
                **{
                    f"rate_per_s of step {number}": rate_per_s,
                    f"duration_s of step {number}": duration_s,
                }
            )
        require_countable(expected(self.steps))

    @property
    def count(self) -> int:
        """Those that start before the last step is over."""
        return whole_arrivals(expected(self.steps))

    @property
    def duration_s(self) -> float:
        """All steps together, in seconds."""
        return sum(duration_s for _, duration_s in self.steps)

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts when the rate, summed up since the start, has reached n."""
        return reached(self.steps, n) if n < self.count else None


def expected(plan: tuple[Step, ...]) -> float:
    """How many arrivals are due when all steps are over."""
    return sum(rate_per_s * duration_s for rate_per_s, duration_s in plan)


def reached(plan: tuple[Step, ...], n: int) -> float:
    """After how many seconds n arrivals are due; n must be below `expected(plan)`."""
    due, begins_s = _starts(plan)
    # Of steps that start with the same number due, all but the last have no length.
    step = bisect_right(due, n) - 1
    return begins_s[step] + (n - due[step]) / plan[step][0]


@lru_cache(maxsize=16)
def _starts(plan: tuple[Step, ...]) -> tuple[list[float], list[float]]:
    """For each step's start: how many arrivals were due before, and the time in seconds."""
    due = accumulate((rate_per_s * duration_s for rate_per_s, duration_s in plan[:-1]), initial=0.0)
    begins_s = accumulate((duration_s for _, duration_s in plan[:-1]), initial=0.0)
    return list(due), list(begins_s)


def steps(plan: Sequence[Step]) -> Steps:
    """Open model: one (rate_per_s, duration_s) after another.

    Raises:
        UsageError: there is no step, or one is no such pair; the message says which.
    """
    for number, step in enumerate(plan, 1):
        if len(step) != 2:
            raise UsageError(f"step {number} must be (rate_per_s, duration_s), not {step}")
    return Steps(tuple((rate_per_s, duration_s) for rate_per_s, duration_s in plan))
