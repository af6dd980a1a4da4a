"""Recorded arrivals: the instants of the requests in a log, and the user that sends each."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_countable, require_positive

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """Arrivals at recorded instants, each of a given user; 20 bytes for each.

    Attributes:
        at_ns: Their starts in nanoseconds after the start of the load, ascending.
        user_index: The index of the user of each.
        numbers: Their numbers in the whole schedule.
        duration_s: Duration in seconds.
    """

    at_ns: "NDArray[np.int64]"
    user_index: "NDArray[np.uint32]"
    numbers: "NDArray[np.int64]"
    duration_s: float

    @property
    def count(self) -> int:
        """Number of arrivals."""
        return len(self.at_ns)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n starts, in seconds after the start of the load."""
        return int(self.at_ns[n]) / 1e9 if n < len(self.at_ns) else None

    def share_by_user(self, i: int, n: int) -> Self:
        """Return the arrivals of the users that process i of n runs."""
        if n == 1:
            return self
        own = self.user_index % n == i
        return type(self)(self.at_ns[own], self.user_index[own], self.numbers[own], self.duration_s)


def recorded(at_ns: "NDArray[np.int64]", user_index: "NDArray[np.uint32]") -> Recorded:
    """Open model: arrivals at given instants.

    The duration is one mean gap longer than the time to the last of them, as it is at a constant
    rate; a second longer if all are at once.

    Args:
        at_ns: Their starts in nanoseconds after the start of the load, ascending.
        user_index: The index of the user of each.

    Raises:
        UsageError: There are none, or too many.
    """
    require_positive(count=len(at_ns))
    require_countable(len(at_ns))
    if at_ns[0] < 0 or np.any(np.diff(at_ns) < 0):
        raise UsageError("recorded arrivals must be in order, and none before the start")
    last_s = int(at_ns[-1]) / 1e9
    gap_s = last_s / (len(at_ns) - 1) if last_s and len(at_ns) > 1 else 1.0
    return Recorded(at_ns, user_index, np.arange(len(at_ns)), last_s + gap_s)
