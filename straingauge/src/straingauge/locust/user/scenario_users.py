"""Scenarios as Locust user classes."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import locust
from locust.user.task import tag

from straingauge.errors import UsageError
from straingauge.journey import Journey, Scenario
from straingauge.journey.mix import tags_of
from straingauge.journey.scenario import require_distinct
from straingauge.locust.user.user import JourneyUser
from straingauge.schedule import ConstantUsers

_HINT = "run it with: straingauge run"


def scenario_users(
    scenarios: Sequence[Scenario],
    *,
    account: Callable[[int], Mapping[str, Any]] | None = None,
    log_in: Journey | None = None,
) -> dict[str, type[JourneyUser]]:
    """Return a user class for each scenario, by its name, for a locustfile.

        globals().update(scenario_users(journeys.scenarios, account=journeys.account))

    The weight of a class is the scenario's number of users, its wait time the think time, and its
    tasks are the journeys with their weights and tags. Locust sets when all of them start and
    end, so the scenarios must start and end together, with constant users; the run time is that of
    ``--run-time``.

    Args:
        scenarios: The scenarios.
        account: Returns the initial data of the user with an index.
        log_in: Journey that each user runs before its first task.

    Raises:
        UsageError: Locust cannot run a scenario: it has an arrival rate, stages, waves, a number of
            iterations or a delay, or the scenarios have different durations.
    """
    require_distinct(scenarios)
    schedules = {each.name: _constant_users(each) for each in scenarios}
    if len({schedule.duration_s for schedule in schedules.values()}) > 1:
        raise UsageError(
            "Locust ends all user classes together: the scenarios have different durations",
            hint=_HINT,
        )
    made: dict[str, type[JourneyUser]] = {}
    for each in scenarios:
        name = re.sub(r"\W", "_", each.name)
        if not name.isidentifier():
            name = f"_{name}"
        if name in made:
            raise UsageError(
                f"the scenarios have two user classes {name}", hint="rename a scenario"
            )
        schedule = schedules[each.name]
        made[name] = type(
            name,
            (JourneyUser,),
            {
                "__doc__": f"Users of the scenario {each.name}.",
                "weight": schedule.count,
                "wait_time": locust.between(*schedule.think_range_s),
                "account": account,
                "log_in": log_in,
                "tasks": {
                    _task(journey, each.tags): weight for journey, weight in each.journeys.weights
                },
            },
        )
    return made


def _constant_users(scenario: Scenario) -> ConstantUsers:
    """Return the schedule of a scenario.

    Raises:
        UsageError: Locust cannot run it.
    """
    schedule = scenario.schedule
    if not isinstance(schedule, ConstantUsers) or schedule.iterations is not None:
        kind = type(schedule).__name__
        raise UsageError(
            f"scenario {scenario.name}: Locust runs scenarios with constant_users(count=...,"
            f" duration_s=...) only, not {kind}",
            hint=f"{_HINT}, or use a shape such as RateStages for all users",
        )
    if scenario.start_s:
        raise UsageError(
            f"scenario {scenario.name}: Locust starts all user classes together, not after"
            f" {scenario.start_s:g} s",
            hint=_HINT,
        )
    return schedule


def _task(journey: Journey, tags: Sequence[str]) -> Callable[[JourneyUser], None]:
    def run(user: JourneyUser) -> None:
        user.run_journey(journey)

    run.__name__ = getattr(journey, "__name__", "journey")
    labels = {*tags, *tags_of(journey)}
    tagged: Callable[[JourneyUser], None] = tag(*labels)(run) if labels else run
    return tagged
