"""Schedules by concurrency: constant and ramping users (the closed model), and waves."""

from dataclasses import dataclass
from math import ceil, isfinite
from typing import TypeAlias

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_not_negative, require_positive

ThinkTime: TypeAlias = float | tuple[float, float]
"""Seconds between two journeys of a user, or (least, most) to draw from uniformly."""


@dataclass(frozen=True, slots=True)
class ConstantUsers:
    """`count` concurrent users, each of which runs its journeys repeatedly.

    It ends after `duration_s` seconds, or when each user has run `iterations` journeys. The first
    user starts at once and the others one by one over `ramp_s` seconds. Between two journeys, a
    user thinks for `think_s` seconds: one number, or (least, most) to draw from uniformly.
    """

    count: int
    duration_s: float | None = None
    iterations: int | None = None
    ramp_s: float = 0.0
    think_s: ThinkTime = 0.0

    def __post_init__(self) -> None:
        require_positive(count=self.count)
        if self.duration_s is None and self.iterations is None:
            raise UsageError(
                "constant_users() needs duration_s or iterations, or it would never end"
            )
        if self.duration_s is not None:
            require_positive(duration_s=self.duration_s)
        if self.iterations is not None:
            require_positive(iterations=self.iterations)
        _think_range_s(self.think_s)
        require_not_negative(ramp_s=self.ramp_s)

    @property
    def think_range_s(self) -> tuple[float, float]:
        """Least and most think time, in seconds."""
        return _think_range_s(self.think_s)

    def begins(self, user: int) -> float:
        """Return when user number `user` starts, in seconds after the start."""
        return self.ramp_s * user / self.count


def constant_users(
    *,
    count: int,
    duration_s: float | None = None,
    iterations: int | None = None,
    ramp_s: float = 0.0,
    think_s: ThinkTime = 0.0,
) -> ConstantUsers:
    """Closed model: `count` concurrent users, each of which runs its journeys repeatedly.

    Args:
        count: Number of users.
        duration_s: Duration, in seconds; None ends the load by `iterations` alone.
        iterations: Number of journeys that each user runs; None for no limit.
        ramp_s: The first user starts at once, and the others one by one over this time, in seconds.
        think_s: Think time between two journeys of a user: seconds, or (least, most) to draw from.

    Raises:
        UsageError: A value is out of range, or there is neither a duration nor `iterations`.
    """
    return ConstantUsers(count, duration_s, iterations, ramp_s, think_s)


@dataclass(frozen=True, slots=True)
class RampingUsers:
    """A number of users that changes linearly from one stage's target to the next, from 0 on.

    The number at any moment is the ramp's value, rounded to the nearest whole number, so that the
    users' time in sum is the area under the ramp. A user that is one too many finishes its journey
    and begins no other. A stage of 0 s jumps to its target.
    """

    stages: tuple[tuple[float, int], ...]
    think_s: ThinkTime = 0.0

    def __post_init__(self) -> None:
        for number, (duration_s, users) in enumerate(self.stages, 1):
            require_not_negative(
                **{f"duration_s of stage {number}": duration_s, f"users of stage {number}": users}
            )
        if not self.stages:
            raise UsageError("at least one stage is needed", hint='stages("30s:100")')
        require_positive(**{"the duration of all stages": self.duration_s})
        if not self.count:
            raise UsageError("the users of all stages are 0: nothing would ever be sent")
        _think_range_s(self.think_s)

    @property
    def count(self) -> int:
        """Largest number of users."""
        return max(users for _, users in self.stages)

    @property
    def duration_s(self) -> float:
        """Duration of all stages, in seconds."""
        return sum(duration_s for duration_s, _ in self.stages)

    @property
    def think_range_s(self) -> tuple[float, float]:
        """Least and most think time, in seconds."""
        return _think_range_s(self.think_s)

    def users_at(self, at_s: float) -> int:
        """Return the number of users at an instant, in seconds after the start."""
        begin_s, before = 0.0, 0
        for duration_s, users in self.stages:
            if at_s < begin_s + duration_s:
                level = before + (users - before) * (at_s - begin_s) / duration_s
                return ceil(level - 0.5)
            begin_s, before = begin_s + duration_s, users
        return 0

    def active_s(self, user: int) -> list[tuple[float, float]]:
        """Return from when to when user number `user` runs journeys, in seconds after the start."""
        half = user + 0.5  # the ramp's value from which user 0, 1, 2 ... is there
        found, begin, at_s, before = [], None, 0.0, 0
        for duration_s, users in self.stages:
            if begin is None and users > half:
                begin = at_s + duration_s * (half - before) / (users - before)
            elif begin is not None and users < half:
                found.append((begin, at_s + duration_s * (before - half) / (before - users)))
                begin = None
            at_s, before = at_s + duration_s, users
        if begin is not None and begin < at_s:
            found.append((begin, at_s))
        return found


ClosedSchedule: TypeAlias = ConstantUsers | RampingUsers
"""Each user begins its next journey when it has finished one."""


def _think_range_s(think_s: ThinkTime) -> tuple[float, float]:
    """Return least and most think time.

    Raises:
        UsageError: It is negative, not finite, or its limits are in the wrong order.
    """
    least, most = think_s if isinstance(think_s, tuple) else (think_s, think_s)
    if not 0 <= least <= most or not isfinite(most):
        raise UsageError(f"think_s must be 0 or more, not {think_s}")
    return least, most


@dataclass(frozen=True, slots=True)
class Waves:
    """`concurrent` arrivals at the same instant, again every `every_s` seconds.

    A wave waits until the previous one has ended, so that never more than `concurrent` are
    running: the times here are the earliest. With `every_s=0`, waves follow one another without a
    pause. After `at_least` waves the run may end early, once its results are precise enough.
    """

    concurrent: int
    every_s: float
    at_least: int
    at_most: int

    def __post_init__(self) -> None:
        require_positive(concurrent=self.concurrent, at_least=self.at_least)
        require_not_negative(every_s=self.every_s)
        if self.at_most < self.at_least:
            raise UsageError(f"at_most ({self.at_most}) is less than at_least ({self.at_least})")

    @property
    def count(self) -> int:
        """Number of arrivals of all waves."""
        return self.concurrent * self.at_most

    @property
    def duration_s(self) -> float:
        """Seconds between the first and the last wave's start, at the least."""
        return self.every_s * (self.at_most - 1)

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n, in wave n // concurrent, starts at the earliest."""
        return (n // self.concurrent) * self.every_s if n < self.count else None


def waves(*, concurrent: int, every_s: float = 0.0, at_least: int = 1, at_most: int = 1) -> Waves:
    """Arrivals in waves of `concurrent` at the same instant.

    A wave waits until the previous one has ended, so `concurrent` users are enough.

    Args:
        concurrent: Number of arrivals in each wave.
        every_s: Least time between the starts of two waves, in seconds.
        at_least: Number of waves after which the load may end, once its percentiles are precise.
        at_most: Number of waves after which it ends.

    Raises:
        UsageError: A value is out of range, or `at_most` is less than `at_least`.
    """
    return Waves(concurrent, every_s, at_least, at_most)
