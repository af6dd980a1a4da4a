"""Truth 4: confidence intervals cover the true value as often as they say."""

from collections.abc import Callable

import numpy as np
import pytest
from straingauge.histogram import Histogram
from straingauge.statistics import quantile

RUNS, SAMPLES = 600, 400
Times = np.ndarray
Inverse = Callable[[Times], Times]
"""The inverse of a distribution function: the true time in ms for each q."""


def even(q: Times) -> Times:
    """From 5 to 15 ms, all equally likely."""
    return 5 + 10 * q


def exponential(q: Times) -> Times:
    """With a mean of 10 ms."""
    return -10 * np.log1p(-q)


def heavy_tailed(q: Times) -> Times:
    """Pareto's, from 1 ms on, without a variance."""
    return (1 - q) ** (-1 / 1.5)


def two_humps(q: Times) -> Times:
    """Nine in ten take around 10 ms, the others (a miss of some cache) around 200 ms."""
    return np.where(q < 0.9, 9 + 2 * q / 0.9, 150 + 1000 * (q - 0.9))


@pytest.mark.parametrize("inverse", [even, exponential, heavy_tailed, two_humps])
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_intervals_cover_the_true_value(inverse: Inverse, q: float):
    """Of 600 simulated runs at nominal 95 % at least 93 % cover the true percentile."""
    chance = np.random.default_rng(7)
    true_ms = float(inverse(np.array(q)))
    covered = 0
    for _ in range(RUNS):
        histogram = Histogram()
        histogram.add((inverse(chance.random(SAMPLES)) * 1e6).astype(np.int64))
        found = quantile(histogram, q)
        assert found.low_ms is not None
        assert found.high_ms is not None
        # The histogram's own 0.4 % may stand on either side.
        covered += found.low_ms * 0.996 <= true_ms <= found.high_ms * 1.004
    assert covered >= 0.93 * RUNS
