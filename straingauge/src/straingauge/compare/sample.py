"""What a result keeps of an endpoint's times, and how much its requests can say.

The requests of one second are more alike than those of different seconds: one slow second slows
them all. So n of them say no more than n / deff independent ones would, deff being the design
effect (Kish, Survey Sampling, 1965, section 8.2), estimated from the shares of times above some
limits in each of the run's intervals. An endpoint that has a part of the requests has that part
of the effect's excess over 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from straingauge.errors import UsageError
from straingauge.histogram import Ints
from straingauge.recording.hdr import decode

Result = Mapping[str, Any]
Floats = NDArray[np.float64]

_LEAST_INTERVALS: Final = 5  # below, nothing can be said of how alike they are
_LOOKED_AT: Final = (0.25, 0.5, 0.75, 0.95)
_DEVIATE: Final = 3.0  # about what an interval among dozens of others asks for


@dataclass(frozen=True, slots=True)
class Sample:
    """Times in nanoseconds, ascending, and how often each occurred."""

    times_ns: Ints
    counts: Ints

    @classmethod
    def merged(cls, parts: "Sequence[Sample]") -> Self:
        """All these as one."""
        if not parts:
            return cls(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
        times_ns, where = np.unique(
            np.concatenate([part.times_ns for part in parts]), return_inverse=True
        )
        counts = np.bincount(where, np.concatenate([part.counts for part in parts]))
        return cls(times_ns, counts.astype(np.int64))

    @property
    def n(self) -> int:
        """How many times there are."""
        return int(self.counts.sum())

    def quantiles_ns(self, shares: Floats) -> Floats:
        """The time below which such a share lies, interpolated within ties.

        Each distinct time stands for a cell, over which its samples are spread evenly: a quantile
        that jumped from cell to cell would make every small change nothing or a whole cell's width.
        """
        middles = self.times_ns.astype(np.float64)
        halves = np.diff(middles) / 2
        # A cell ends half way to its neighbour, but no further than a cell is wide.
        width = np.minimum(np.concatenate((halves, [np.inf])), middles * 2.0**-8)
        before = np.minimum(np.concatenate(([np.inf], halves)), middles * 2.0**-8)
        cumulated = np.cumsum(self.counts) / self.n
        at = np.minimum(np.searchsorted(cumulated, shares), middles.size - 1)
        share_of_cell = self.counts[at] / self.n
        inside = np.clip((shares - (cumulated[at] - share_of_cell)) / share_of_cell, 0.0, 1.0)
        low, high = middles[at] - before[at], middles[at] + width[at]
        return np.asarray(low + inside * (high - low), dtype=np.float64)

    def mean_ns(self) -> float:
        """The mean."""
        return float(self.times_ns @ self.counts) / self.n

    def deviation_ns(self) -> float:
        """The standard deviation."""
        off = self.times_ns - self.mean_ns()
        return float(np.sqrt((off**2) @ self.counts / self.n))


def endpoint_samples(result: Result) -> dict[str, Sample]:
    """The response times of each endpoint.

    Raises:
        UsageError: The result keeps no histograms, or one that cannot be read.
    """
    found = {}
    for name, figures in result["endpoints"].items():
        try:
            found[name] = Sample(*decode(figures["histograms_ns"]["response"]))
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"{result['name']}: {name} has no histogram, so nothing says how sure a change is",
                hint="it is of an earlier straingauge: run the load again",
            ) from error
        except ValueError as error:
            raise UsageError(f"{result['name']}: the histogram of {name}: {error}") from error
    return found


def interval_samples(result: Result) -> list[Sample]:
    """The response times of all endpoints in each interval of the run, oldest first."""
    try:
        return [Sample(*decode(each["histogram_ns"])) for each in result.get("intervals", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{result['name']}: its intervals cannot be read: {error}") from error


def design_effect(intervals: Sequence[Sample]) -> float:
    """How many times more a share of the times varies than that of independent requests would.

    The shares looked at are those above the quartiles and above p95; the most restless counts,
    since one between two endpoints' times shows nothing. It is raised for being an estimate from
    few intervals, as Student's t is against the normal deviate at 3 (Fisher 1926, first term).

    Args:
        intervals: The run's, in order.

    Returns:
        1.0 or more; of too few intervals, 1.0.
    """
    filled = [each for each in intervals if each.n]
    k = len(filled)
    if k < _LEAST_INTERVALS:
        return 1.0
    whole = Sample.merged(filled)
    sizes = np.array([each.n for each in filled], dtype=np.float64)
    ranks = np.array(_LOOKED_AT) * whole.n
    limits_ns = whole.times_ns[np.searchsorted(np.cumsum(whole.counts), ranks)]
    above = np.array([_above(each, limits_ns) for each in filled])
    p = above.sum(axis=0) / sizes.sum()
    clustered = k / (k - 1) * ((above - np.outer(sizes, p)) ** 2).sum(axis=0)
    independent = sizes.sum() * p * (1 - p)
    told = independent > 0
    effect = max(1.0, *(clustered[told] / independent[told]).tolist())
    return float(effect * (1 + (_DEVIATE**2 + 1) / (4 * (k - 1))) ** 2)


def _above(sample: Sample, limits_ns: Ints) -> Ints:
    """How many times lie above each limit."""
    total = np.concatenate(([0], np.cumsum(sample.counts)))
    return np.asarray(sample.n - total[np.searchsorted(sample.times_ns, limits_ns, "right")])
