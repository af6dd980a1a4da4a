"""A fixed number of arrivals over a duration."""

from dataclasses import dataclass

from straingauge.schedule.arguments import require_positive


@dataclass(frozen=True, slots=True)
class Spread:
    """A fixed number of arrivals, evenly over a duration."""

    count: int
    duration_s: float

    def __post_init__(self) -> None:
        require_positive(count=self.count, duration_s=self.duration_s)

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts n / count of the duration after the start."""
        return n * self.duration_s / self.count if n < self.count else None


def spread(*, count: int, duration_s: float) -> Spread:
    """Open model: exactly `count` arrivals, evenly over `duration_s` seconds."""
    return Spread(count, duration_s)
