"""The warm-up of a load: run before it, or detected in it."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from straingauge.engine.phases import require_detectable
from straingauge.errors import UsageError
from straingauge.schedule import Parallel, Recorded, Schedule

WarmUp: TypeAlias = Schedule | Literal["detect"] | None
"""A schedule to run before the load, "detect" to find the warm-up in the load itself, or none."""


def require_valid_warm_up(warm_up: WarmUp, schedule: Schedule | Parallel) -> None:
    """Check that a warm-up can be detected in a schedule, if that is asked for.

    Raises:
        UsageError: The schedule changes the load, so that no warm-up can be detected.
    """
    if warm_up == "detect" and isinstance(schedule, Parallel):
        raise UsageError(
            "no warm-up can be detected in a load of several scenarios",
            hint="run a steady load before it as the warm-up",
        )
    if warm_up == "detect" and not isinstance(schedule, Parallel):
        require_detectable(schedule)


def warm_up_as_dict(warm_up: WarmUp) -> Mapping[str, Any] | str | None:
    """Describe a warm-up for the configuration in a result."""
    return warm_up if warm_up is None or isinstance(warm_up, str) else schedule_as_dict(warm_up)


def schedule_as_dict(schedule: Schedule | Parallel) -> Mapping[str, Any]:
    """Describe a schedule for the configuration in a result."""
    if isinstance(schedule, Parallel):
        parts = {
            name: {"start_s": start_s, **schedule_as_dict(part)}
            for name, start_s, part in schedule.parts
        }
        return {"kind": "parallel", "duration_s": schedule.duration_s, "parts": parts}
    if isinstance(schedule, Recorded):
        return {"kind": "recorded", "count": schedule.count, "duration_s": schedule.duration_s}
    fields = {name: getattr(schedule, name) for name in schedule.__dataclass_fields__}
    return {"kind": type(schedule).__name__.lower(), **fields}
