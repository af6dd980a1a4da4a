"""Stages: linear changes of the load from one target to the next, as in k6.

A stage is written DURATION:TARGET. ``30s:100`` changes the number of users linearly to 100 within
30 s; ``30s:100/s`` does so with the arrival rate (also ``/m`` and ``/h``). The first stage starts
at 0, and one of ``0s`` jumps to its target.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from straingauge.errors import UsageError
from straingauge.schedule.concurrency import RampingUsers, ThinkTime
from straingauge.schedule.ramping_rate import RampingRate
from straingauge.time_text import NUMBER, PATTERN, parse_time

MAX_STAGE_S: Final = 366 * 86_400.0

_TARGET: Final = re.compile(rf"\s*({NUMBER})\s*(?:/\s*(s|m|h))?\s*")
STAGE_PATTERN: Final = rf"{PATTERN.removesuffix('$')}:(?:{_TARGET.pattern})$"
"""Pattern of a stage in a JSON Schema."""
_PER_S: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a load.

    Attributes:
        duration_s: Its duration; 0 jumps to the target.
        target: Load at its end: arrivals per second, or a number of users.
        is_rate: The target is an arrival rate.
    """

    duration_s: float
    target: float
    is_rate: bool

    @classmethod
    def parse(cls, text: str) -> "Stage":
        """Parse a stage such as "30s:100" or "2m:50/s".

        Raises:
            UsageError: It is written in another way, or its number of users is not whole.
        """
        time, colon, goal = text.partition(":")
        duration_s, target = parse_time(time), _TARGET.fullmatch(goal)
        if not colon or duration_s is None or target is None:
            raise UsageError(
                f"{text!r} is no stage",
                hint="write DURATION:TARGET: 30s:100 for users, 30s:100/s for arrivals",
            )
        if duration_s > MAX_STAGE_S:
            raise UsageError(f"the stage {text!r} is longer than a year")
        value, unit = float(target[1]), target[2]
        if not math.isfinite(value):
            raise UsageError(f"the target of the stage {text!r} is too large")
        if unit is None and not value.is_integer():
            raise UsageError(
                f"the stage {text!r}: a number of users is whole",
                hint=f"an arrival rate has a unit: {text.strip()}/s",
            )
        return cls(duration_s, value / _PER_S.get(unit, 1.0), unit is not None)


def stages(*texts: str, think_s: ThinkTime = 0.0) -> RampingRate | RampingUsers:
    """Linear changes of the load: ``stages("30s:100/s", "2m:100/s", "30s:0/s")``.

    With a unit (``/s``, ``/m``, ``/h``) the targets are arrival rates (open model); without one
    they are numbers of users (closed model). The first stage starts at 0; "0s:50" jumps to 50.

    Args:
        texts: The stages, as DURATION:TARGET.
        think_s: Think time of users between journeys: seconds, or (least, most) to draw from.

    Raises:
        UsageError: A stage is invalid, units are mixed, all targets are 0, or arrivals have a
            think time.
    """
    return schedule_of([Stage.parse(text) for text in texts], think_s=think_s)


def schedule_of(parsed: Sequence[Stage], *, think_s: ThinkTime = 0.0) -> RampingRate | RampingUsers:
    """Return the schedule of parsed stages; see `stages`."""
    if len({stage.is_rate for stage in parsed}) > 1:
        raise UsageError(
            "the stages mix numbers of users and arrival rates",
            hint="give all targets a unit such as /s, or none of them",
        )
    if any(stage.is_rate for stage in parsed):
        if think_s:
            raise UsageError("think_s applies to users; journeys at a rate have no think time")
        return RampingRate(tuple((stage.duration_s, stage.target) for stage in parsed))
    return RampingUsers(tuple((stage.duration_s, int(stage.target)) for stage in parsed), think_s)
