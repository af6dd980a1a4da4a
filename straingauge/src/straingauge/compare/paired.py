"""Differences of pairs: measurements of two builds, one directly after the other.

The order within each pair is random. If the builds are equal, each difference is equally likely to
be d or -d, whatever the machine does and whatever its distribution: this is the only assumption of
the signed-rank test (Wilcoxon, Biometrics Bulletin 1 (1945) 80). Its interval contains the Walsh
averages that the test does not reject, its estimate is their median (Hodges & Lehmann, Annals of
Mathematical Statistics 34 (1963) 598; Hollander, Wolfe & Chicken, Nonparametric Statistical
Methods, 3rd ed. 2014, sections 3.1-3.3). A pair during which the machine was busy has little
effect.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp
from statistics import NormalDist
from typing import Final

import numpy as np

from straingauge.statistics.distribution import Floats

_EXACT_UP_TO: Final = 150  # pairs; beyond, the normal approximation is within 1 in 1000


@dataclass(frozen=True, slots=True)
class Paired:
    """The change from one build to the other, in percent.

    Attributes:
        change: Its estimate.
        low, high: The interval; None if there are too few pairs.
        pairs: Number of pairs.
    """

    change: float
    low: float | None
    high: float | None
    pairs: int


def paired(log_ratios: Floats, alpha: float) -> Paired:
    """Estimate the change from log ratios (new to old, one for each pair).

    Args:
        log_ratios: At least one, all finite.
        alpha: Probability that the interval misses the true change.
    """
    n = log_ratios.size
    i, j = np.triu_indices(n)
    walsh = np.sort((log_ratios[i] + log_ratios[j]) / 2)
    kept = first_rank_kept(n, alpha)
    low = high = None
    if kept is not None:
        low, high = (_percent(float(walsh[at])) for at in (kept - 1, walsh.size - kept))
    return Paired(_percent(float(np.median(walsh))), low, high, n)


@lru_cache(maxsize=256)
def first_rank_kept(n: int, alpha: float) -> int | None:
    """The greatest k with P(T < k) <= alpha / 2 for the signed-rank statistic T of n pairs.

    The interval goes from the k-th Walsh average to the k-th last. None if there is no k above 0:
    even if all differences had the same sign, it could be chance.
    """
    if n > _EXACT_UP_TO:
        spread = (n * (n + 1) * (2 * n + 1) / 24) ** 0.5
        k = int(n * (n + 1) / 4 - NormalDist().inv_cdf(1 - alpha / 2) * spread)
        return k if k >= 1 else None
    below = np.cumsum(_distribution(n))  # below[k] = P(T <= k)
    k = int(np.searchsorted(below, alpha / 2, side="right"))
    return k if k >= 1 else None


@lru_cache(maxsize=256)
def _distribution(n: int) -> Floats:
    """P(T = t) for t = 0 ... n (n + 1) / 2: each rank counts with probability 1/2."""
    chances = np.ones(1)
    for rank in range(1, n + 1):
        grown = np.zeros(chances.size + rank)
        grown[: chances.size] = chances
        grown[rank:] += chances
        chances = grown / 2
    return chances


def _percent(log_ratio: float) -> float:
    return 100.0 * (exp(log_ratio) - 1.0)
