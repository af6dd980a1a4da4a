"""The pace of a load that a user may change while it runs."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pace:
    """A change of a load, in all its processes.

    Attributes:
        rate_percent: Arrival rate, in percent of the schedule's.
        users: Number of users that begin journeys in the closed model; None for all.
        paused: No journey begins.
    """

    rate_percent: float = 100.0
    users: int | None = None
    paused: bool = False


class Paced(Protocol):
    """An executor whose pace can be changed."""

    def set_pace(self, pace: Pace) -> None:
        """Go on at this pace."""


class PaceControl:
    """The pace of the executors of one process."""

    def __init__(self) -> None:
        self._executors: list[Paced] = []
        self._pace = Pace()

    def add(self, executor: Paced) -> None:
        """Add an executor, as it is made."""
        self._executors.append(executor)

    def set(self, pace: Pace) -> None:
        """Change the pace, in the engine's thread."""
        if pace != self._pace:
            self._pace = pace
            for executor in self._executors:
                executor.set_pace(pace)
