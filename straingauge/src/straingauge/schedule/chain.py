"""One schedule after another."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_countable
from straingauge.schedule.arrivals import Arrivals


@dataclass(frozen=True)
class Chain:
    """The arrivals of several schedules, each beginning when the one before it is over."""

    links: tuple[Arrivals, ...]

    def __post_init__(self) -> None:
        if not self.links:
            raise UsageError("a chain needs at least one schedule")
        if any(link.count is None for link in self.links):
            raise UsageError("a chain's schedules must know how many arrivals they have")
        require_countable(self.count)

    @property
    def count(self) -> int:
        """The arrivals of all of them."""
        return self._before[-1]

    @property
    def duration_s(self) -> float:
        """All of them together."""
        return sum(link.duration_s for link in self.links)

    def arrivals(self, n: int) -> float | None:
        """Arrival n of all starts when the schedule it belongs to has come so far."""
        if n >= self.count:
            return None
        link = bisect_right(self._before, n) - 1
        within_s = self.links[link].arrivals(n - self._before[link])
        assert within_s is not None
        return self._begins_s[link] + within_s

    @cached_property
    def _before(self) -> list[int]:
        """How many arrivals each link's first one has before it; last, how many there are."""
        return list(accumulate((link.count or 0 for link in self.links), initial=0))

    @cached_property
    def _begins_s(self) -> list[float]:
        return list(accumulate((link.duration_s for link in self.links), initial=0.0))


def chain(links: Sequence[Arrivals]) -> Chain:
    """Open model: one schedule after another.

    Raises:
        UsageError: there is none, or one that does not know how many arrivals it has.
    """
    return Chain(tuple(links))
