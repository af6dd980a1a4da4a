"""The closed model: so many users, each starting again when it is done."""

from dataclasses import dataclass
from math import isfinite

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_not_negative, require_positive


@dataclass(frozen=True, slots=True)
class ConstantUsers:
    """`count` users at once, each playing its journeys over and over.

    It ends after `duration_s` seconds, or when each user has played `iterations` journeys. The
    first user starts at once and the others one by one over `ramp_s`. Between two journeys a user
    thinks for `think_s` seconds: one number, or (least, most) to draw evenly from.
    """

    count: int
    duration_s: float | None = None
    iterations: int | None = None
    ramp_s: float = 0.0
    think_s: float | tuple[float, float] = 0.0

    def __post_init__(self) -> None:
        require_positive(count=self.count)
        if self.duration_s is None and self.iterations is None:
            raise UsageError("users() needs duration_s or iterations, or it would never end")
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
        """When user number `user` starts, in seconds after the start."""
        return self.ramp_s * user / self.count


def constant_users(
    *,
    count: int,
    duration_s: float | None = None,
    iterations: int | None = None,
    ramp_s: float = 0.0,
    think_s: float | tuple[float, float] = 0.0,
) -> ConstantUsers:
    """Closed model: `count` users at once; see `Users`."""
    return ConstantUsers(count, duration_s, iterations, ramp_s, think_s)
