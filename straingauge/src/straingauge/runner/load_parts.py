"""Scenarios with their users, as one load."""

from collections.abc import Callable, Sequence
from typing import TypedDict

from straingauge.engine import ScenarioLoad
from straingauge.errors import UsageError
from straingauge.journey import Journey, Mix, Scenario, User
from straingauge.journey.scenario import all_journeys, require_distinct
from straingauge.runner.load_spec import as_mix
from straingauge.schedule import ClosedSchedule, Parallel, Schedule


class LoadParts(TypedDict):
    """The fields of a `LoadSpec` that say what runs when."""

    journeys: Mix
    schedule: Schedule | Parallel
    users: Sequence[User]
    scenarios: tuple[ScenarioLoad, ...]
    max_processes: int


def load_parts(
    journey: Journey | Mix | Sequence[Scenario],
    schedule: Schedule | None,
    count: int,
    make_users: Callable[[int], Sequence[User]],
) -> LoadParts:
    """Return what runs when: journeys with one schedule, or scenarios.

    Args:
        journey: The journey, several with weights, or scenarios.
        schedule: When journeys start; None with scenarios, which have their own.
        count: Number of users without scenarios, and of accounts with them.
        make_users: Makes a number of users, with the indexes 0, 1, 2, ...

    Raises:
        UsageError: There is no schedule, or one too many; two scenarios have the same name, or one
            has fewer users than its schedule needs.
    """
    if isinstance(journey, Sequence):
        if schedule is not None:
            raise UsageError(
                "scenarios have their own schedules", hint="leave out the schedule of the load"
            )
        return _of_scenarios(journey, make_users)
    if schedule is None:
        raise UsageError("a load needs a schedule", hint="constant(rate_per_s=10, duration_s=60)")
    return {
        "journeys": as_mix(journey),
        "schedule": schedule,
        "users": make_users(count),
        "scenarios": (),
        "max_processes": count,
    }


def _of_scenarios(
    scenarios: Sequence[Scenario], make_users: Callable[[int], Sequence[User]]
) -> LoadParts:
    """Return the load that scenarios are.

    Each has its own users, whose indexes are consecutive: those of the second scenario begin where
    those of the first one end.

    Args:
        scenarios: The scenarios.
        make_users: Makes a number of users, with the indexes 0, 1, 2, ...

    Raises:
        UsageError: Two have the same name, or one has fewer users than its schedule needs.
    """
    require_distinct(scenarios)
    users = make_users(sum(each.users for each in scenarios))
    loads, first = [], 0
    for each in scenarios:
        own = users[first : first + each.users]
        first += each.users
        loads.append(
            ScenarioLoad(each.name, each.schedule, each.journeys, own, each.start_s, each.tags)
        )
    # Each process needs a user for its share of the arrivals of each scenario.
    of_arrivals = [len(load.users) for load in loads if not _is_closed(load)]
    return {
        "journeys": all_journeys(scenarios),
        "schedule": Parallel(tuple((each.name, each.start_s, each.schedule) for each in scenarios)),
        "users": users,
        "scenarios": tuple(loads),
        "max_processes": min([len(users), *of_arrivals]),
    }


def _is_closed(load: ScenarioLoad) -> bool:
    return isinstance(load.schedule, ClosedSchedule)
