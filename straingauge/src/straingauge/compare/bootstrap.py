"""Bootstrap intervals of differences.

The bootstrap distribution of a quantile needs no resampling: the r-th of n draws from a sample is
that sample's quantile at a Beta(r, n + 1 - r) distributed share (David & Nagaraja, Order
Statistics, 3rd ed. 2003, section 2.1; on percentile intervals Efron & Tibshirani, An Introduction
to the Bootstrap, 1993, chapter 13). Thousands of draws are one vectorised look-up whatever n is,
and n need not be an integer: it is the effective sample size (`compare.sample`).
"""

from typing import Final, TypeAlias

import numpy as np

from straingauge.statistics.distribution import Distribution, Floats

DRAWS: Final = 20_000  # enough for the tails that many simultaneous intervals need

Interval: TypeAlias = tuple[float, float]


def quantile_draws_ns(
    sample: Distribution, share: float, effect: float, random: np.random.Generator
) -> Floats:
    """Draw from the bootstrap distribution of a quantile."""
    n = max(sample.count / effect, 1.0)
    rank = min(max(share * n, 0.5), n)
    return sample.smooth_quantiles_ns(random.beta(rank, n + 1 - rank, DRAWS))


def mean_draws_ns(sample: Distribution, effect: float, random: np.random.Generator) -> Floats:
    """Draw from the distribution of the mean, normal by the central limit theorem."""
    error_ns = sample.deviation_ns() / np.sqrt(max(sample.count / effect, 1.0))
    return random.normal(sample.mean_ns(), error_ns, DRAWS)


def share_draws(hits: int, n: int, random: np.random.Generator) -> Floats:
    """Draw from the posterior of a share, such as an error rate, with Jeffreys' prior.

    Valid with 0 hits, too (Brown, Cai & DasGupta, Statistical Science 16 (2001) 101).
    """
    return random.beta(hits + 0.5, n - hits + 0.5, DRAWS)


def rate_draws(counts: Floats, random: np.random.Generator) -> Floats:
    """Draw from the distribution of a rate, by resampling the counts of whole intervals."""
    error = counts.std(ddof=1) / np.sqrt(counts.size)
    return random.normal(counts.mean(), error, DRAWS)


def interval(draws: Floats, alpha: float) -> Interval:
    """The interval that contains all but a share alpha of the draws."""
    low, high = np.quantile(draws, [alpha / 2, 1 - alpha / 2])
    return float(low), float(high)


def percent(old: Floats, new: Floats) -> Floats:
    """The change in percent of the old value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(100.0 * (new / old - 1.0), dtype=np.float64)
