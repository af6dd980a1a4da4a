"""Response times of a result, and their effective sample size.

Requests of the same second are correlated: one slow second slows all of them. So n requests are
worth n / deff independent ones, where deff is the design effect (Kish, Survey Sampling, 1965,
section 8.2), estimated from the shares of times above some limits in each interval of the run. An
endpoint with a part of the requests has that part of the excess of deff over 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from straingauge.errors import UsageError
from straingauge.histogram import Ints
from straingauge.statistics.distribution import Distribution

Result = Mapping[str, Any]

_LEAST_INTERVALS: Final = 5  # fewer give no estimate
_LOOKED_AT: Final = (0.25, 0.5, 0.75, 0.95)
_DEVIATE: Final = 3.0  # about that of an interval among dozens


def endpoint_samples(result: Result) -> dict[str, Distribution]:
    """Response times by endpoint.

    Raises:
        UsageError: The result has no histograms, or one that cannot be read.
    """
    found = {}
    for name, figures in result["endpoints"].items():
        try:
            found[name] = Distribution.decode(figures["histograms_ns"]["response"])
        except (KeyError, TypeError) as error:
            raise UsageError(
                f"{result['name']}: {name} has no histogram to compare",
                hint="it is of an earlier straingauge: run the load again",
            ) from error
        except ValueError as error:
            raise UsageError(f"{result['name']}: the histogram of {name}: {error}") from error
    return found


def named_samples(result: Result, section: str) -> dict[str, Distribution]:
    """Response times by name of the scenarios or the transactions of a result.

    Raises:
        UsageError: One of them cannot be read.
    """
    try:
        return {
            name: Distribution.decode(each["histograms_ns"]["response"])
            for name, each in result.get(section, {}).items()
        }
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{result['name']}: its {section} cannot be read: {error}") from error


def interval_samples(result: Result) -> list[Distribution]:
    """Response times of all endpoints in each interval of the run, oldest first."""
    try:
        return [Distribution.decode(each["histogram_ns"]) for each in result.get("intervals", [])]
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{result['name']}: its intervals cannot be read: {error}") from error


def design_effect(intervals: Sequence[Distribution]) -> float:
    """Estimate the design effect: how much more a share of the times varies than if independent.

    Of the shares above the quartiles and above p95, the one with the largest effect counts, since a
    limit between the times of two endpoints shows none. The estimate is raised since it is based on
    few intervals, as Student's t is above the normal deviate at 3 (Fisher 1926, first term).

    Args:
        intervals: Those of the run, in order.

    Returns:
        1.0 or more; 1.0 if there are too few intervals.
    """
    filled = [each for each in intervals if each.count]
    k = len(filled)
    if k < _LEAST_INTERVALS:
        return 1.0
    whole = Distribution.merged(filled)
    sizes = np.array([each.count for each in filled], dtype=np.float64)
    ranks = np.array(_LOOKED_AT) * whole.count
    limits_ns = whole.times_ns[np.searchsorted(np.cumsum(whole.counts), ranks)]
    above = np.array([_above(each, limits_ns) for each in filled])
    p = above.sum(axis=0) / sizes.sum()
    clustered = k / (k - 1) * ((above - np.outer(sizes, p)) ** 2).sum(axis=0)
    independent = sizes.sum() * p * (1 - p)
    varies = independent > 0
    effect = max([1.0, *(clustered[varies] / independent[varies]).tolist()])
    return float(effect * (1 + (_DEVIATE**2 + 1) / (4 * (k - 1))) ** 2)


def _above(sample: Distribution, limits_ns: Ints) -> Ints:
    """Number of times above each limit."""
    total = np.concatenate(([0], np.cumsum(sample.counts)))
    return np.asarray(sample.count - total[np.searchsorted(sample.times_ns, limits_ns, "right")])
