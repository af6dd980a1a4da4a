"""A kind of work for generators, and its requirements."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from generators import STRAINGAUGE, RunArguments
from measurement import Metrics
from nginx import Nginx

RATE, CPU = "rate_rps", "cpu_us"


@dataclass(frozen=True)
class Bench:
    """The set-up of a measurement: the target, the cores and the length.

    Attributes:
        core: The core of the generators.
        target_core: The core of the target.
        seconds: Length of each measurement.
    """

    target: Nginx
    core: int
    target_core: int
    seconds: int
    arguments: Callable[[int], RunArguments]


@dataclass(frozen=True)
class Ratio:
    """The factor by which our generator is faster than a peer.

    Attributes:
        required: What must hold on any machine, by the lower end of the interval; None if the ratio
            is only shown.
        goal: What is aimed at.
        by: The metrics whose ratio counts: the rate, and the CPU time per request.
        tolerance: Rounds are added until both ends of the interval are that near.
    """

    peer: str
    required: float | None = None
    goal: float | None = None
    by: tuple[str, ...] = (RATE, CPU)
    tolerance: float = 0.1


@dataclass(frozen=True)
class Limit:
    """Limits of one of our metrics."""

    what: str
    metric: str
    at_most: float | None = None
    at_least: float | None = None


@dataclass(frozen=True)
class Case:
    """One kind of work for the generators.

    Attributes:
        key: Name on the command line.
        title: Name in the tables.
        measurements: By generator, the function that measures it once; it takes the set-up.
        required: Requirements for our generator.
        once_s: Time that it takes, if it is measured once; None if in rounds.
        ours: Our generator.
        unit: The plural of what is counted.
    """

    key: str
    title: str
    measurements: Mapping[str, Callable[[Any], Metrics]]
    required: tuple[Ratio | Limit, ...]
    once_s: float | None = None
    ours: str = STRAINGAUGE
    unit: str = "requests"

    @property
    def ratios(self) -> list[Ratio]:
        """The comparisons with peers."""
        return [each for each in self.required if isinstance(each, Ratio)]

    @property
    def limits(self) -> list[Limit]:
        """The limits of our metrics."""
        return [each for each in self.required if isinstance(each, Limit)]
