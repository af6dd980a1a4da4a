"""The cost of profiling, from loads with and without it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from intervals import Interval, interval

WITHOUT, BY_DEFAULT, REQUESTED = "no profile", "by default", "--profile"
ORDER: Final = (WITHOUT, BY_DEFAULT, REQUESTED)
MAX_COST_PERCENT: Final = 3.0  # the project's limit


@dataclass(frozen=True)
class Load:
    """One load.

    Attributes:
        rate_rps: Responses per second.
        cpu_us: CPU time of the service per request.
        time_us: Time of its main thread per request, less its waits for a core.
        profiler_cpu_percent: CPU time of profiling, in percent of one core.
        samples: Samples of running code.
    """

    rate_rps: float
    cpu_us: float
    time_us: float
    profiler_cpu_percent: float
    samples: int


Round = Mapping[str, Load]
"""One load of each kind."""


def cost_percent(rounds: Sequence[Round], kind: str, metric: str) -> Interval:
    """Return by how many percent a kind of profile lowers throughput, by a metric per request."""
    kept = interval([getattr(r[WITHOUT], metric) / getattr(r[kind], metric) for r in rounds])
    ends = [None if end is None else 100 * (1 - end) for end in (kept.high, kept.low)]
    return Interval(100 * (1 - kept.middle), ends[0], ends[1], kept.rounds)


def is_cheap(costs: Sequence[Interval]) -> bool:
    """Return true if all costs are at most the limit, by the upper ends of their intervals."""
    return all(each.high is not None and each.high <= MAX_COST_PERCENT for each in costs)


def median(rounds: Sequence[Round], kind: str, metric: str) -> float:
    """Return the median of a metric."""
    return statistics.median(getattr(each[kind], metric) for each in rounds)


def to_json(rounds: Sequence[Round], seconds: int) -> dict[str, Any]:
    """Return everything measured, for the file."""
    return {
        "seconds": seconds,
        "costs_percent": {
            kind: {
                name: asdict(cost_percent(rounds, kind, metric))
                for name, metric in (("by_cpu", "cpu_us"), ("by_time", "time_us"))
            }
            for kind in (BY_DEFAULT, REQUESTED)
        },
        "rounds": [{kind: asdict(each[kind]) for kind in ORDER} for each in rounds],
    }
