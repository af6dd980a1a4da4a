"""What every open schedule can be asked."""

from typing import Protocol


class Arrivals(Protocol):
    """An open schedule."""

    @property
    def count(self) -> int | None:
        """How many arrivals there are in all; None when that is not known beforehand."""

    @property
    def duration_s(self) -> float:
        """How long the schedule lasts, in seconds."""

    def arrivals(self, n: int) -> float | None:
        """When arrival n starts, in seconds after the start; None when the schedule is over."""
