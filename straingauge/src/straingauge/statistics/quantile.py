"""Percentiles with confidence intervals.

The interval is [sample of rank l, sample of rank u]. It needs no assumption about the distribution,
because the number of samples below the true q-quantile is binomial (n, q):

    P(B < l) <= (1 - confidence) / 2   and   P(B >= u) <= (1 - confidence) / 2,   B ~ Bin(n, q)

(David & Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1; Le Boudec, Performance Evaluation
of Computer and Communication Systems, 2010, theorem 2.1). If no such ranks exist, there are too few
samples.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, log, sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from straingauge.histogram import Histogram
from straingauge.number_text import count

# For more samples the normal approximation differs by one or two ranks.
_EXACT_UP_TO: Final = 20_000


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a sample with its confidence interval.

    Attributes:
        q: The quantile, 0.99 for p99.
        value_ms: Its value in the sample; None if that is empty.
        low_ms, high_ms: The interval; None if there are too few samples.
        reason: Why there is no interval; None if there is one.
    """

    q: float
    value_ms: float | None
    low_ms: float | None
    high_ms: float | None
    reason: str | None


def quantile(histogram: Histogram, q: float, confidence: float = 0.95) -> Quantile:
    """Compute the q-quantile of a histogram, in milliseconds."""
    n = histogram.count
    value_ns = histogram.quantile_ns(q)
    if value_ns is None:
        return Quantile(q, None, None, None, "no samples")
    ranks = interval_ranks(n, q, confidence)
    if ranks is None:
        needed = samples_needed(q, confidence)
        reason = (
            f"{count(n, 'sample is', 'samples are')} too few for p{q * 100:g}: its interval needs"
            f" {needed:,}"
        )
        return Quantile(q, value_ns / 1e6, None, None, reason)
    low_ns, high_ns = (histogram.ranked_ns(rank) for rank in ranks)
    return Quantile(q, value_ns / 1e6, low_ns / 1e6, high_ns / 1e6, None)


def is_precise(histogram: Histogram, q: float, relative_width: float = 0.1) -> bool:
    """Return True if the interval of a percentile is narrow, relative to its value.

    With `relative_width=0.1`, p95 = 100 ms is precise if its interval is 96 to 106 ms.
    """
    found = quantile(histogram, q)
    if found.value_ms is None or found.low_ms is None or found.high_ms is None:
        return False
    return found.high_ms - found.low_ms <= relative_width * found.value_ms


@lru_cache(maxsize=1024)
def interval_ranks(n: int, q: float, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return the ranks of the samples that enclose the true q-quantile; None if n is too small."""
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
    """Return the number of samples that an interval of the q-quantile needs."""
    # It must be unlikely enough that all n samples are on one side of the quantile.
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
