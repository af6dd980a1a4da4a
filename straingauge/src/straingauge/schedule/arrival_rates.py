"""Arrival rates: constant, spread evenly, ramp, steps and spike."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import sqrt
from typing import TypeAlias

from straingauge.errors import UsageError
from straingauge.schedule.arguments import (
    require_countable,
    require_not_negative,
    require_positive,
    whole_arrivals,
)


@dataclass(frozen=True, slots=True)
class Constant:
    """Arrivals at a constant rate."""

    rate_per_s: float
    duration_s: float

    def __post_init__(self) -> None:
        require_positive(rate_per_s=self.rate_per_s, duration_s=self.duration_s)
        require_countable(self.rate_per_s * self.duration_s)

    @property
    def count(self) -> int:
        """Number of arrivals; the last one starts strictly before the end."""
        return whole_arrivals(self.rate_per_s * self.duration_s)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts: n / rate seconds after the start."""
        return n / self.rate_per_s if n < self.count else None


def constant(*, rate_per_s: float, duration_s: float) -> Constant:
    """Open model: `rate_per_s` arrivals a second for `duration_s` seconds, at equal distances.

    Raises:
        UsageError: rate or duration is not more than 0.
    """
    return Constant(rate_per_s, duration_s)


@dataclass(frozen=True, slots=True)
class Spread:
    """A fixed number of arrivals, evenly over a duration."""

    count: int
    duration_s: float

    def __post_init__(self) -> None:
        require_positive(count=self.count, duration_s=self.duration_s)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts: n / count of the duration after the start."""
        return n * self.duration_s / self.count if n < self.count else None


def spread(*, count: int, duration_s: float) -> Spread:
    """Open model: exactly `count` arrivals, evenly over `duration_s` seconds.

    Raises:
        UsageError: count or duration is not more than 0.
    """
    return Spread(count, duration_s)


@dataclass(frozen=True, slots=True)
class Ramp:
    """Arrivals at a rate that changes linearly from one value to another.

    After the fraction x of the duration T, a x + (b - a) x^2 / 2 arrivals are due, where a and b
    are the rates at both ends times T. Arrival n starts where that is n: the root of a quadratic,
    in the form that loses no digits when b is close to a (Press et al., Numerical Recipes, 3rd
    edition, section 5.6).
    """

    from_per_s: float
    to_per_s: float
    duration_s: float

    def __post_init__(self) -> None:
        require_not_negative(from_per_s=self.from_per_s, to_per_s=self.to_per_s)
        require_positive(duration_s=self.duration_s)
        if not self.from_per_s + self.to_per_s > 0:
            raise UsageError("from_per_s and to_per_s are both 0: nothing would ever arrive")
        require_countable(self._expected)

    @property
    def count(self) -> int:
        """Number of arrivals; the last one starts before the end."""
        return whole_arrivals(self._expected)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts: when the integral of the rate reaches n."""
        if n >= self.count:
            return None
        if n == 0:
            return 0.0
        a, b = self.from_per_s * self.duration_s, self.to_per_s * self.duration_s
        # A ramp down to 0 may end a rounding error below it, where there is no root.
        root = sqrt(max(0.0, a * a + 2 * n * (b - a)))
        return self.duration_s * (2 * n / (a + root))

    @property
    def _expected(self) -> float:
        return (self.from_per_s + self.to_per_s) / 2 * self.duration_s


def ramp(*, from_per_s: float, to_per_s: float, duration_s: float) -> Ramp:
    """Open model: from one rate to another linearly; either may be 0, not both.

    Args:
        from_per_s: Arrivals per second at the start.
        to_per_s: Arrivals per second at the end.
        duration_s: Duration, in seconds.

    Raises:
        UsageError: a rate is negative, both are 0, or the duration is not more than 0.
    """
    return Ramp(from_per_s, to_per_s, duration_s)


Step: TypeAlias = tuple[float, float]
"""A rate per second, and its duration in seconds."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Arrivals at one constant rate after another, with none lost or doubled in between."""

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
        require_countable(_expected(self.steps))

    @property
    def count(self) -> int:
        """Number of arrivals; the last one starts before the end of the last step."""
        return whole_arrivals(_expected(self.steps))

    @property
    def duration_s(self) -> float:
        """Duration of all steps, in seconds."""
        return sum(duration_s for _, duration_s in self.steps)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts: when the integral of the rate reaches n."""
        return _reached(self.steps, n) if n < self.count else None


def _expected(plan: tuple[Step, ...]) -> float:
    """Return how many arrivals are due at the end of the last step."""
    return sum(rate_per_s * duration_s for rate_per_s, duration_s in plan)


def _reached(plan: tuple[Step, ...], n: int) -> float:
    """Return after how many seconds n arrivals are due; n is below `_expected(plan)`."""
    due, begins_s = _starts(plan)
    # Of steps that start with the same number due, all but the last have no length.
    step = bisect_right(due, n) - 1
    return begins_s[step] + (n - due[step]) / plan[step][0]


@lru_cache(maxsize=16)
def _starts(plan: tuple[Step, ...]) -> tuple[list[float], list[float]]:
    """Return for each step's start how many arrivals are due before, and the time in seconds."""
    due = accumulate((rate_per_s * duration_s for rate_per_s, duration_s in plan[:-1]), initial=0.0)
    begins_s = accumulate((duration_s for _, duration_s in plan[:-1]), initial=0.0)
    return list(due), list(begins_s)


def steps(plan: Sequence[Step]) -> Steps:
    """Open model: one constant rate after another.

    Args:
        plan: The steps as (rate_per_s, duration_s): arrivals per second, for how many seconds.

    Raises:
        UsageError: there is no step, or one is no such pair; the message says which.
    """
    for number, step in enumerate(plan, 1):
        if len(step) != 2:
            raise UsageError(f"step {number} must be (rate_per_s, duration_s), not {step}")
    return Steps(tuple((rate_per_s, duration_s) for rate_per_s, duration_s in plan))


@dataclass(frozen=True, slots=True)
class Spike:
    """Arrivals at a base rate, and for `lasts_s` seconds from `at_s` on at the spike's rate."""

    base_per_s: float
    spike_per_s: float
    at_s: float
    lasts_s: float
    duration_s: float

    def __post_init__(self) -> None:
        require_positive(
            base_per_s=self.base_per_s,
            spike_per_s=self.spike_per_s,
            lasts_s=self.lasts_s,
            duration_s=self.duration_s,
        )
        require_not_negative(at_s=self.at_s)
        if self.spike_per_s <= self.base_per_s:
            raise UsageError(
                f"spike_per_s ({self.spike_per_s}) must be more than base_per_s"
                f" ({self.base_per_s}); for a dip, use steps()"
            )
        if self.at_s + self.lasts_s > self.duration_s:
            raise UsageError(
                f"the spike ends after {self.at_s + self.lasts_s} s,"
                f" the schedule before that: duration_s is {self.duration_s}"
            )
        require_countable(_expected(self._plan))

    @property
    def count(self) -> int:
        """Number of arrivals; the last one starts before the end."""
        return whole_arrivals(_expected(self._plan))

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts: when the integral of the rate reaches n."""
        return _reached(self._plan, n) if n < self.count else None

    @property
    def _plan(self) -> tuple[Step, ...]:
        """The same as steps: before, during and after; the first and last may have no length."""
        after_s = self.duration_s - (self.at_s + self.lasts_s)
        return (
            (self.base_per_s, self.at_s),
            (self.spike_per_s, self.lasts_s),
            (self.base_per_s, after_s),
        )


def spike(
    *, base_per_s: float, spike_per_s: float, at_s: float, lasts_s: float, duration_s: float
) -> Spike:
    """Open model: a constant rate, and for a while a higher one.

    Args:
        base_per_s: Arrivals per second before and after the spike.
        spike_per_s: Arrivals per second in the spike.
        at_s: Start of the spike, in seconds after the start.
        lasts_s: Duration of the spike, in seconds.
        duration_s: Duration of the whole schedule, in seconds.

    Raises:
        UsageError: a rate or duration is not more than 0, the spike is no higher than the base,
            or it is not over when the schedule is.
    """
    return Spike(base_per_s, spike_per_s, at_s, lasts_s, duration_s)
