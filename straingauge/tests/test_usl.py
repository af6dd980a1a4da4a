"""The Universal Scalability Law, fitted to levels."""

import math
import random

import pytest
from straingauge.capacity import fit


def usl(concurrency: float, rate: float = 100, sigma: float = 0.05, kappa: float = 0.001) -> float:
    """The throughput by the law."""
    others = concurrency - 1
    return rate * concurrency / (1 + sigma * others + kappa * concurrency * others)


def test_exact_points_give_the_law_back():
    """A fit to exact points has the coefficients, no error, and the peak."""
    found = fit([(n, usl(n)) for n in (1, 2, 4, 8, 16, 32, 64)])
    assert found is not None
    assert found.lambda_rps == pytest.approx(100)
    assert found.contention == pytest.approx(0.05)
    assert found.coherency == pytest.approx(0.001)
    assert found.error_percent == pytest.approx(0, abs=1e-6)
    assert found.peak_concurrency == pytest.approx(math.sqrt(0.95 / 0.001))
    assert found.peak_rps == pytest.approx(max(usl(n / 100) for n in range(100, 10_000)), rel=1e-4)
    assert found.throughput_rps(20) == pytest.approx(usl(20))


def test_noise_shows_in_the_error_and_in_the_spread_of_the_peak():
    """A fit to points 5 % off has that error, and an interval that contains the true peak."""
    chance = random.Random(3)
    points = [(n, usl(n) * chance.gauss(1, 0.05)) for n in (1, 2, 3, 5, 8, 13, 21, 34, 55)]
    found = fit(points)
    assert found is not None
    assert 1 < found.error_percent < 10
    assert found.peak_low_rps is not None
    assert found.peak_high_rps is not None
    assert found.peak_low_rps <= usl(math.sqrt(950)) * 1.05
    assert found.peak_high_rps >= usl(math.sqrt(950)) * 0.95


def test_a_service_without_contention_has_no_peak():
    """If throughput grows with the load, no coefficient is negative and no peak is predicted."""
    found = fit([(n, 100 * n) for n in (1, 2, 4, 8)])
    assert found is not None
    assert found.contention == pytest.approx(0, abs=1e-9)
    assert (found.coherency, found.peak_concurrency) == (0, None)


def test_an_idle_machine_is_not_fitted():
    """Levels with far less than one request in flight are not fitted."""
    busy = [(n, usl(n)) for n in (1, 2, 4, 8, 16)]
    assert fit([(0.03, 1.0), (0.1, 5.0), *busy]) == fit(busy)


def test_few_points_have_no_fit():
    """Three points fit any law with three coefficients, so there is no fit."""
    assert fit([(1, 100), (2, 190), (4, 350)]) is None
    assert fit([(2, 100)] * 9) is None
