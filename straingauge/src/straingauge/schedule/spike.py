"""A sudden rush, and back to normal."""

from dataclasses import dataclass

from straingauge.errors import UsageError
from straingauge.schedule.arguments import (
    require_countable,
    require_not_negative,
    require_positive,
    whole_arrivals,
)
from straingauge.schedule.steps import Step, expected, reached


@dataclass(frozen=True, slots=True)
class Spike:
    """Arrivals at a base rate, but for `lasts_s` seconds from `at_s` on at the spike's."""

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
                f" ({self.base_per_s}); for a dip use steps()"
            )
        if self.at_s + self.lasts_s > self.duration_s:
            raise UsageError(
                f"the spike ends after {self.at_s + self.lasts_s} s,"
                f" the schedule before that: duration_s is {self.duration_s}"
            )
        require_countable(expected(self._plan))

    @property
    def count(self) -> int:
        """Those that start before the duration is over."""
        return whole_arrivals(expected(self._plan))

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts when the rate, summed up since the start, has reached n."""
        return reached(self._plan, n) if n < self.count else None

    @property
    def _plan(self) -> tuple[Step, ...]:
        """The same as steps: before, during and after; before and after may have no length."""
        after_s = self.duration_s - (self.at_s + self.lasts_s)
        return (
            (self.base_per_s, self.at_s),
            (self.spike_per_s, self.lasts_s),
            (self.base_per_s, after_s),
        )


def spike(
    *, base_per_s: float, spike_per_s: float, at_s: float, lasts_s: float, duration_s: float
) -> Spike:
    """Open model: `base_per_s` for `duration_s` seconds, but `spike_per_s` from `at_s` on.

    Raises:
        UsageError: a rate or duration is not more than 0, the spike is no higher than the base,
            or it is not over when the schedule is.
    """
    return Spike(base_per_s, spike_per_s, at_s, lasts_s, duration_s)
