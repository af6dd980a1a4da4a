"""When should request n start? Pure functions of n: no clock, no I/O, no randomness.

An *open* schedule says when each arrival starts, whatever the target does (`constant`, `spread`).
A *closed* one says how many users work at once, each starting again when it is done (`users`).
`waves` lies between: so many at once, again and again.

    >>> constant(rate_per_s=10, duration_s=60).arrivals(5)
    0.5
    >>> [share(spread(count=5, duration_s=1), 1, 2).arrivals(n) for n in (0, 1, 2)]
    [0.2, 0.6, None]
"""

from dataclasses import dataclass
from math import ceil, isfinite
from typing import Protocol

from straingauge.errors import UsageError


class Arrivals(Protocol):
    """An open schedule."""

    @property
    def count(self) -> int | None:
        """How many arrivals there are in all; None when that is not known beforehand."""

    @property
    def duration_s(self) -> float:
        """How long the schedule lasts, in seconds."""

    def arrivals(self, n: int) -> float | None:
        """When arrival n starts, in seconds after the start; None when the schedule is over."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Arrivals at a constant rate."""

    rate_per_s: float
    duration_s: float

    def __post_init__(self) -> None:
        _require_positive(rate_per_s=self.rate_per_s, duration_s=self.duration_s)

    @property
    def count(self) -> int:
        """Those that start before the duration is over: the last one strictly before its end."""
        # Rounded to a millionth of an arrival, so that 0.1 x 30 is 3 arrivals and not 4.
        return ceil(round(self.rate_per_s * self.duration_s, 6))

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts n / rate seconds after the start."""
        return n / self.rate_per_s if n < self.count else None


@dataclass(frozen=True, slots=True)
class Spread:
    """A fixed number of arrivals, evenly over a duration."""

    count: int
    duration_s: float

    def __post_init__(self) -> None:
        _require_positive(count=self.count, duration_s=self.duration_s)

    def arrivals(self, n: int) -> float | None:
        """Arrival n starts n / count of the duration after the start."""
        return n * self.duration_s / self.count if n < self.count else None


@dataclass(frozen=True, slots=True)
class Waves:
    """`concurrent` arrivals at the same instant, again every `every_s` seconds.

    A wave waits until the one before it has ended, so that never more than `concurrent` are under
    way: the times here are the earliest. `every_s=0` sends wave upon wave. After `at_least` waves
    the run may be ended early, when its figures are good enough.
    """

    concurrent: int
    every_s: float
    at_least: int
    at_most: int

    def __post_init__(self) -> None:
        _require_positive(concurrent=self.concurrent, at_least=self.at_least)
        if not (isfinite(self.every_s) and self.every_s >= 0):
            raise UsageError(f"every_s must be 0 or more, not {self.every_s}")
        if self.at_most < self.at_least:
            raise UsageError(f"at_most ({self.at_most}) is less than at_least ({self.at_least})")

    @property
    def count(self) -> int:
        """Arrivals of all waves, were none left out."""
        return self.concurrent * self.at_most

    @property
    def duration_s(self) -> float:
        """From the first wave's start to the last one's, at the earliest."""
        return self.every_s * (self.at_most - 1)

    def arrivals(self, n: int) -> float | None:
        """Arrival n belongs to wave n // concurrent."""
        return (n // self.concurrent) * self.every_s if n < self.count else None


@dataclass(frozen=True, slots=True)
class Users:
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
        _require_positive(count=self.count)
        if self.duration_s is None and self.iterations is None:
            raise UsageError("users() needs duration_s or iterations, or it would never end")
        if self.duration_s is not None:
            _require_positive(duration_s=self.duration_s)
        if self.iterations is not None:
            _require_positive(iterations=self.iterations)
        least, most = self.think_range_s
        if not 0 <= least <= most or not isfinite(most):
            raise UsageError(f"think_s must be 0 or more, not {self.think_s}")
        if not (isfinite(self.ramp_s) and self.ramp_s >= 0):
            raise UsageError(f"ramp_s must be 0 or more, not {self.ramp_s}")

    @property
    def think_range_s(self) -> tuple[float, float]:
        """Least and most think time, in seconds."""
        return self.think_s if isinstance(self.think_s, tuple) else (self.think_s, self.think_s)

    def begins(self, user: int) -> float:
        """When user number `user` starts, in seconds after the start."""
        return self.ramp_s * user / self.count


@dataclass(frozen=True, slots=True)
class Share:
    """Every n-th arrival of a schedule, from the i-th on: what process i of n has to send."""

    whole: Arrivals
    i: int
    n: int

    @property
    def count(self) -> int | None:
        """This share's arrivals."""
        whole = self.whole.count
        return None if whole is None else len(range(self.i, whole, self.n))

    @property
    def duration_s(self) -> float:
        """The whole's duration."""
        return self.whole.duration_s

    def arrivals(self, n: int) -> float | None:
        """Arrival n of this share is arrival i + n * N of the whole."""
        return self.whole.arrivals(self.i + n * self.n)


Schedule = Constant | Spread | Waves | Users


def constant(*, rate_per_s: float, duration_s: float) -> Constant:
    """Open model: `rate_per_s` arrivals a second for `duration_s` seconds."""
    return Constant(rate_per_s, duration_s)


def spread(*, count: int, duration_s: float) -> Spread:
    """Open model: exactly `count` arrivals, evenly over `duration_s` seconds."""
    return Spread(count, duration_s)


def waves(*, concurrent: int, every_s: float = 0.0, at_least: int = 1, at_most: int = 1) -> Waves:
    """`concurrent` at once, in waves; see `Waves`."""
    return Waves(concurrent, every_s, at_least, at_most)


def users(
    *,
    count: int,
    duration_s: float | None = None,
    iterations: int | None = None,
    ramp_s: float = 0.0,
    think_s: float | tuple[float, float] = 0.0,
) -> Users:
    """Closed model: `count` users at once; see `Users`."""
    return Users(count, duration_s, iterations, ramp_s, think_s)


def share(schedule: Arrivals, i: int, n: int) -> Share:
    """What process i of n takes of an open schedule: its arrivals i, i + n, i + 2n, ...

    Raises:
        UsageError: unless 0 <= i < n.
    """
    if not 0 <= i < n:
        raise UsageError(f"share {i} of {n} does not exist")
    return Share(schedule, i, n)


def _require_positive(**values: float) -> None:
    for name, value in values.items():
        if not (isfinite(value) and value > 0):
            raise UsageError(f"{name} must be more than 0, not {value}")
