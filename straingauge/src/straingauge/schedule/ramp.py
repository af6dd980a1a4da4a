"""A rate that climbs or falls steadily."""

from dataclasses import dataclass
from math import sqrt

from straingauge.errors import UsageError
from straingauge.schedule.arguments import (
    require_countable,
    require_not_negative,
    require_positive,
    whole_arrivals,
)


@dataclass(frozen=True, slots=True)
class Ramp:
    """Arrivals at a rate that goes in a straight line from one value to another.

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
        """Those that start before the duration is over."""
        return whole_arrivals(self._expected)

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts when the rate, summed up since the start, has reached n."""
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
    """Open model: from one rate to another in a straight line; either may be 0, not both.

    Raises:
        UsageError: a rate is negative, both are 0, or the duration is not more than 0.
    """
    return Ramp(from_per_s, to_per_s, duration_s)
