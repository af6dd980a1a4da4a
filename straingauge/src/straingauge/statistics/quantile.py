"""Percentiles that know how sure they are.

Of n samples the one of rank l lies below the true q-quantile, and the one of rank u above, with a
probability that depends on no assumption about the distribution: the number of samples below the
quantile is binomial (n, q). The interval is [sample l, sample u] with

    P(B < l) <= (1 - confidence) / 2   and   P(B >= u) <= (1 - confidence) / 2,   B ~ Bin(n, q)

(David & Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1; Le Boudec, Performance Evaluation
of Computer and Communication Systems, 2010, theorem 2.1). Where no such rank exists, there are too
few samples, and that is the answer.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from straingauge.histogram import Histogram

# Beyond this, the binomial is so near to a normal distribution that ranks differ by one or two.
_EXACT_UP_TO: Final = 20_000


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a sample, with the interval the true one lies in.

    Attributes:
        q: which, 0.99 for p99.
        value_ms: of the sample; None when it is empty.
        low_ms, high_ms: the interval, or None when the samples are too few for one.
        reason: why there is no interval; None when there is one.
    """

    q: float
    value_ms: float | None
    low_ms: float | None
    high_ms: float | None
    reason: str | None


def quantile(histogram: Histogram, q: float, confidence: float = 0.95) -> Quantile:
    """The q-quantile of the times in a histogram, in milliseconds."""
    n = histogram.count
    value_ns = histogram.quantile_ns(q)
    if value_ns is None:
        return Quantile(q, None, None, None, "no samples")
    ranks = interval_ranks(n, q, confidence)
    if ranks is None:
        needed = samples_needed(q, confidence)
        reason = f"{n} samples are too few for p{q * 100:g} to be sure of: it takes {needed}"
        return Quantile(q, value_ns / 1e6, None, None, reason)
    low_ns, high_ns = (histogram.ranked_ns(rank) for rank in ranks)
    return Quantile(q, value_ns / 1e6, low_ns / 1e6, high_ns / 1e6, None)


def is_precise(histogram: Histogram, q: float, relative_width: float = 0.1) -> bool:
    """Whether a percentile is known well enough: its interval is this narrow, by its value.

    With `relative_width=0.1`, p95 = 100 ms holds when its interval is, say, 96 to 106 ms.
    """
    found = quantile(histogram, q)
    if found.value_ms is None or found.low_ms is None or found.high_ms is None:
        return False
    return found.high_ms - found.low_ms <= relative_width * found.value_ms


@lru_cache(maxsize=1024)
def interval_ranks(n: int, q: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """The ranks of the samples that enclose the true q-quantile; None when n is too small."""
    tail = (1 - confidence) / 2
    if n > _EXACT_UP_TO:
        spread = NormalDist().inv_cdf(1 - tail) * sqrt(n * q * (1 - q))
        low, high = floor(n * q - spread), ceil(n * q + spread) + 1
    else:
        below = _binomial_cdf(n, q)  # below[k] = P(B <= k)
        low = int(np.searchsorted(below, tail, side="right"))
        high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return (low, high) if low >= 1 and high <= n else None


@lru_cache(maxsize=64)
def samples_needed(q: float, confidence: float = 0.95) -> int:
    """How many samples it takes for the q-quantile to have an interval."""
    # Both extremes must be able to enclose it: n samples all on one side must be unlikely enough.
    n = ceil(log((1 - confidence) / 2) / log(max(q, 1 - q)))
    while interval_ranks(n, q, confidence) is None:
        n += 1
    return n


def _binomial_cdf(n: int, q: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    k = np.arange(n + 1)
    log_pmf = (
        log_factorial[n]
        - log_factorial[k]
        - log_factorial[n - k]
        + k * log(q)
        + (n - k) * log(1 - q)
    )
    return np.cumsum(np.exp(log_pmf))
