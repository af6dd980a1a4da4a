"""Scenarios: parts of a load that run at the same time, each with its own journeys and schedule."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from straingauge.errors import UsageError
from straingauge.journey.execution import Journey
from straingauge.journey.mix import Mix, mix
from straingauge.schedule import ClosedSchedule, Schedule, Waves

DEFAULT_USERS: Final = 10  # of an arrival rate
_NAME: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_ .-]{0,58}[A-Za-z0-9_.-])?")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario; made by `scenario`.

    Attributes:
        name: Its name.
        journeys: Its journeys with their weights.
        schedule: When journeys start, in seconds after the start of the scenario.
        users: Number of its users.
        start_s: When it starts, in seconds after the start of the load.
        tags: Labels, under which scenarios are added up in the result.
    """

    name: str
    journeys: Mix
    schedule: Schedule
    users: int
    start_s: float = 0.0
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} cannot be the name of a scenario",
                hint="use up to 60 letters, digits, spaces and _ . -",
            )
        for tag in self.tags:
            if not isinstance(tag, str) or not _NAME.fullmatch(tag):
                raise UsageError(f"scenario {self.name}: {tag!r} cannot be a tag")
        if not (isfinite(self.start_s) and self.start_s >= 0):
            raise UsageError(f"scenario {self.name}: start_s must be 0 or more, not {self.start_s}")
        if self.users < 1:
            raise UsageError(f"scenario {self.name}: users must be 1 or more, not {self.users}")


def scenario(
    name: str,
    journey: Journey | Mix,
    schedule: Schedule,
    *,
    users: int | None = None,
    start_s: float = 0.0,
    tags: Sequence[str] = (),
) -> Scenario:
    """Describe one of several scenarios of a load, all on one clock.

        scenarios = [
            scenario("browse", mix((listing, 3), detail), stages("30s:100", "2m:100")),
            scenario("order", order, constant(rate_per_s=5, duration_s=120), start_s=30),
        ]

    A list with the name `scenarios` in a journey file is what `straingauge run FILE` runs; in
    pytest, pass it to `load.run` in place of the journey.

    Args:
        name: Its name in the result.
        journey: The journey, or several with weights made by `mix`.
        schedule: When journeys start, in seconds after the start of the scenario.
        users: Number of its users; by default as many as a closed schedule or `waves` needs, and 10
            for arrivals.
        start_s: Delay of its start after the start of the load.
        tags: Labels, under which scenarios are added up in the result.

    Raises:
        UsageError: A value is invalid.
    """
    return Scenario(
        name,
        journey if isinstance(journey, Mix) else mix(journey),
        schedule,
        _default_users(schedule) if users is None else users,
        start_s,
        tuple(tags),
    )


def require_distinct(scenarios: Sequence[Scenario]) -> None:
    """Check that there are scenarios, with different names.

    Raises:
        UsageError: There is none, one is no scenario, or two have the same name.
    """
    if not scenarios:
        raise UsageError("there is no scenario", hint='scenario("browse", journey, schedule)')
    names = set()
    for each in scenarios:
        if not isinstance(each, Scenario):
            raise UsageError(f"{each!r} is no scenario", hint="make it with scenario(...)")
        if each.name in names:
            raise UsageError(f"two scenarios have the name {each.name}", hint="rename one of them")
        names.add(each.name)


def all_journeys(scenarios: Sequence[Scenario]) -> Mix:
    """Return the journeys of all scenarios, each once with its largest weight."""
    weights: dict[Journey, int] = {}
    for each in scenarios:
        for journey, weight in each.journeys.weights:
            weights[journey] = max(weight, weights.get(journey, 0))
    return Mix(tuple(weights.items()))


def _default_users(schedule: Schedule) -> int:
    if isinstance(schedule, ClosedSchedule):
        return schedule.count
    return schedule.concurrent if isinstance(schedule, Waves) else DEFAULT_USERS
