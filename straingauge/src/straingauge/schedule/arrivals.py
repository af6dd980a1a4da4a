"""Open schedules: their interface, several in a row (`Chain`), and one process's part (`Share`)."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Protocol

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_countable


class Arrivals(Protocol):
    """An open schedule, such as `Constant`."""

    @property
    def count(self) -> int | None:
        """Number of arrivals; None if it is not known beforehand."""

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts, in seconds after the start; None after the last one."""


@dataclass(frozen=True)
class Chain:
    """The arrivals of several schedules, each beginning when the one before it is over."""

    links: tuple[Arrivals, ...]

    def __post_init__(self) -> None:
        if not self.links:
            raise UsageError("a chain needs at least one schedule")
        if any(link.count is None for link in self.links):
            raise UsageError("a chain needs schedules with a known number of arrivals")
        require_countable(self.count)

    @property
    def count(self) -> int:
        """Number of arrivals of all schedules."""
        return self._before[-1]

    @property
    def duration_s(self) -> float:
        """Duration of all schedules, in seconds."""
        return sum(link.duration_s for link in self.links)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts, in seconds after the start."""
        if n >= self.count:
            return None
        link = bisect_right(self._before, n) - 1
        within_s = self.links[link].arrivals(n - self._before[link])
        assert within_s is not None
        return self._begins_s[link] + within_s

    @cached_property
    def _before(self) -> list[int]:
        """Number of arrivals before each schedule; last, the number of all arrivals."""
        return list(accumulate((link.count or 0 for link in self.links), initial=0))

    @cached_property
    def _begins_s(self) -> list[float]:
        return list(accumulate((link.duration_s for link in self.links), initial=0.0))


def chain(links: Sequence[Arrivals]) -> Chain:
    """Open model: one schedule after another.

    Args:
        links: Schedules of the open model; each starts when the one before it is over.

    Raises:
        UsageError: there is none, or the number of arrivals of one is not known.
    """
    return Chain(tuple(links))


@dataclass(frozen=True, slots=True)
class Share:
    """Every n-th arrival of a schedule, from the i-th on: the part of process i of n."""

    whole: Arrivals
    i: int
    n: int

    @property
    def count(self) -> int | None:
        """Number of arrivals in this share."""
        whole = self.whole.count
        return None if whole is None else len(range(self.i, whole, self.n))

    @property
    def duration_s(self) -> float:
        """Duration of the whole schedule, in seconds."""
        return self.whole.duration_s

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n of this share, arrival i + n * N of the whole, starts."""
        return self.whole.arrivals(self.i + n * self.n)


def share(schedule: Arrivals, i: int, n: int) -> Share:
    """The part of process i of n: arrivals i, i + n, i + 2n, ... of an open schedule.

    Raises:
        UsageError: unless 0 <= i < n.
    """
    if not 0 <= i < n:
        raise UsageError(f"share {i} of {n} does not exist")
    return Share(schedule, i, n)
