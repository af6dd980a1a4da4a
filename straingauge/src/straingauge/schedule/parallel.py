"""Several schedules at once, as those of the scenarios of one load."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from straingauge.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Parallel:
    """Schedules that run at the same time, each from its own start.

    Attributes:
        parts: Name, start in seconds after the start of the load, and schedule of each.
    """

    parts: tuple[tuple[str, float, "Schedule"], ...]

    @property
    def duration_s(self) -> float | None:
        """Time to the end of the last one, in seconds; None if one of them has no duration."""
        ends = [
            None if schedule.duration_s is None else start_s + schedule.duration_s
            for _, start_s, schedule in self.parts
        ]
        known = [end_s for end_s in ends if end_s is not None]
        return max(known) if len(known) == len(ends) else None
