"""What one of several processes takes of an open schedule."""

from dataclasses import dataclass

from straingauge.errors import UsageError
from straingauge.schedule.arrivals import Arrivals


@dataclass(frozen=True, slots=True)
class Share:
    """Every n-th arrival of a schedule, from the i-th on: what process i of n has to send."""

    whole: Arrivals
    i: int
    n: int

    @property
    def count(self) -> int | None:
        """This share's arrivals."""
        whole = self.whole.count
        return None if whole is None else len(range(self.i, whole, self.n))

    @property
    def duration_s(self) -> float:
        """The whole's duration."""
        return self.whole.duration_s

    def arrivals(self, n: int) -> float | None:
        """Arrival n of this share is arrival i + n * N of the whole."""
        return self.whole.arrivals(self.i + n * self.n)


def share(schedule: Arrivals, i: int, n: int) -> Share:
    """What process i of n takes of an open schedule: its arrivals i, i + n, i + 2n, ...

    Raises:
        UsageError: unless 0 <= i < n.
    """
    if not 0 <= i < n:
        raise UsageError(f"share {i} of {n} does not exist")
    return Share(schedule, i, n)
