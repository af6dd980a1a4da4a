"""Schedules by concurrency: constant users (the closed model), and waves."""

from dataclasses import dataclass
from math import isfinite

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_not_negative, require_positive


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
    think_s: float | tuple[float, float] = 0.0

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
        least, most = self.think_range_s
        if not 0 <= least <= most or not isfinite(most):
            raise UsageError(f"think_s must be 0 or more, not {self.think_s}")
        require_not_negative(ramp_s=self.ramp_s)

    @property
    def think_range_s(self) -> tuple[float, float]:
        """Least and most think time, in seconds."""
        return self.think_s if isinstance(self.think_s, tuple) else (self.think_s, self.think_s)

    def begins(self, user: int) -> float:
        """Return when user number `user` starts, in seconds after the start."""
        return self.ramp_s * user / self.count


def constant_users(
    *,
    count: int,
    duration_s: float | None = None,
    iterations: int | None = None,
    ramp_s: float = 0.0,
    think_s: float | tuple[float, float] = 0.0,
) -> ConstantUsers:
    """Closed model: `count` concurrent users; see `ConstantUsers`."""
    return ConstantUsers(count, duration_s, iterations, ramp_s, think_s)


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
    """Arrivals in waves of `concurrent` at the same instant; see `Waves`."""
    return Waves(concurrent, every_s, at_least, at_most)
