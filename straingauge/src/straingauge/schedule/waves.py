"""So many arrivals at once, again and again."""

from dataclasses import dataclass

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_not_negative, require_positive


@dataclass(frozen=True, slots=True)
class Waves:
    """`concurrent` arrivals at the same instant, again every `every_s` seconds.

    A wave waits until the one before it has ended, so that never more than `concurrent` are under
    way: the times here are the earliest. `every_s=0` sends wave upon wave. After `at_least` waves
    the run may be ended early, when its figures are good enough.
    """

    concurrent: int
    every_s: float
    at_least: int
    at_most: int

    def __post_init__(self) -> None:
        require_positive(concurrent=self.concurrent, at_least=self.at_least)
        require_not_negative(every_s=self.every_s)
        if self.at_most < self.at_least:
            raise UsageError(f"at_most ({self.at_most}) is less than at_least ({self.at_least})")

    @property
    def count(self) -> int:
        """Arrivals of all waves, were none left out."""
        return self.concurrent * self.at_most

    @property
    def duration_s(self) -> float:
        """From the first wave's start to the last one's, at the earliest."""
        return self.every_s * (self.at_most - 1)

    def arrivals(self, n: int) -> float | None:
        """Arrival n belongs to wave n // concurrent."""
        return (n // self.concurrent) * self.every_s if n < self.count else None


def waves(*, concurrent: int, every_s: float = 0.0, at_least: int = 1, at_most: int = 1) -> Waves:
    """`concurrent` at once, in waves; see `Waves`."""
    return Waves(concurrent, every_s, at_least, at_most)
