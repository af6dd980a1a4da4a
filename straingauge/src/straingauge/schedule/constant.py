"""Arrivals at a constant rate."""

from dataclasses import dataclass

from straingauge.schedule.arguments import require_countable, require_positive, whole_arrivals


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
        """Those that start before the duration is over: the last one strictly before its end."""
        return whole_arrivals(self.rate_per_s * self.duration_s)

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts n / rate seconds after the start."""
        return n / self.rate_per_s if n < self.count else None


def constant(*, rate_per_s: float, duration_s: float) -> Constant:
    """Open model: `rate_per_s` arrivals a second for `duration_s` seconds."""
    return Constant(rate_per_s, duration_s)
