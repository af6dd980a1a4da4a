"""The part of a load that one scenario is: its journeys, its schedule and its users."""

from collections.abc import Sequence
from dataclasses import dataclass

from straingauge.errors import UsageError
from straingauge.journey import Mix, User
from straingauge.number_text import count
from straingauge.schedule import ClosedSchedule, Schedule, Waves


@dataclass(frozen=True, slots=True)
class ScenarioLoad:
    """One scenario of a load, with its users.

    Attributes:
        name: its name; empty if the load has no scenarios.
        schedule: when journeys start.
        mix: which journeys.
        users: its users; process i of n runs those whose index is i (mod n).
        start_s: when it starts, in seconds after the start of the load.
        tags: labels, under which scenarios are added up in the result.
    """

    name: str
    schedule: Schedule
    mix: Mix
    users: Sequence[User]
    start_s: float = 0.0
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        schedule, have = self.schedule, len(self.users)
        needed = 1
        if isinstance(schedule, ClosedSchedule):
            needed = schedule.count
        elif isinstance(schedule, Waves):
            needed = schedule.concurrent
        if have < needed:
            of = f"scenario {self.name}" if self.name else "load"
            raise UsageError(f"the schedule needs {count(needed, 'user')}, the {of} has {have}")

    @property
    def duration_s(self) -> float | None:
        """Time from the start of the load to the end of the schedule; None if unknown."""
        duration_s = self.schedule.duration_s
        return None if duration_s is None else self.start_s + duration_s

    def assign_users(self, i: int, n: int) -> list[User]:
        """Return the users that process i of n runs.

        Raises:
            UsageError: there is none that arrivals could be given to.
        """
        users = self.users
        if isinstance(self.schedule, ClosedSchedule):
            users = users[: self.schedule.count]
        assigned = [user for user in users if user.index % n == i]
        if not assigned and not isinstance(self.schedule, ClosedSchedule):
            have = count(len(users), "user is", "users are")
            raise UsageError(f"share {i} of {n} has no user: {have} too few")
        return assigned
