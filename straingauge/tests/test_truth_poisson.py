"""Truth 2, random schedules: arrivals are a Poisson process, and the same one each time.

The seeds are fixed, so that these tests give the same answer on every machine. Each criterion
would reject a true Poisson process with a probability of about 0.001, had the seed been drawn.
"""

import math
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from straingauge.schedule import Poisson, poisson
from straingauge.schedule.poisson import CELL_ARRIVALS

SEEDS = (0, 1, 2, 3, 42, 2**63)
ALPHA = 0.001
Z = 3.29  # the normal distribution's two-sided quantile for ALPHA


def times_of(schedule: Poisson) -> npt.NDArray[np.float64]:
    """All arrivals."""
    return np.array([schedule.arrivals(n) for n in range(schedule.count)])


def distance_from_exponential(gaps_s: npt.NDArray[np.float64], rate_per_s: float) -> float:
    """The Kolmogorov-Smirnov statistic: the distribution functions' largest distance."""
    n = len(gaps_s)
    expected = 1 - np.exp(-rate_per_s * np.sort(gaps_s))
    above = np.arange(1, n + 1) / n - expected
    below = expected - np.arange(n) / n
    return float(max(above.max(), below.max()))


def critical_distance(n: int) -> float:
    """Return the value that the statistic exceeds with a probability of at most ALPHA, for any n.

    P(D > d) <= 2 exp(-2 n d^2): Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz
    inequality", Annals of Probability 18 (1990).
    """
    return math.sqrt(math.log(2 / ALPHA) / (2 * n))


@pytest.mark.parametrize("seed", SEEDS)
def test_gaps_are_exponential(seed: int):
    """The gaps between arrivals pass a Kolmogorov-Smirnov test, over many cells' edges."""
    n = 20 * CELL_ARRIVALS
    schedule = poisson(rate_per_s=500, duration_s=1.2 * n / 500, seed=seed)
    gaps_s = np.diff(times_of(schedule)[:n], prepend=0.0)
    assert len(gaps_s) == n
    assert distance_from_exponential(gaps_s, 500) < critical_distance(n)


def test_the_gap_test_rejects_other_distributions():
    """Evenly drawn gaps of the right mean, and gaps that are 5 % too short, are rejected."""
    n = 20 * CELL_ARRIVALS
    random = np.random.default_rng(1)
    assert distance_from_exponential(random.uniform(0, 2 / 500, n), 500) > critical_distance(n)
    shorter = random.exponential(0.95 / 500, n)
    assert distance_from_exponential(shorter, 500) > critical_distance(n)


@pytest.mark.parametrize("seed", SEEDS[:3])
@pytest.mark.parametrize("window", [0.01, 0.7, 1.37])
def test_increments_are_independent(seed: int, window: float):
    """Counts in windows of a part of a cell, or of more, vary as they should, unrelated."""
    windows, in_window = 300, window * CELL_ARRIVALS
    schedule = poisson(rate_per_s=1000, duration_s=windows * in_window / 1000, seed=seed)
    edges_s = np.linspace(0, schedule.duration_s, windows + 1)
    counts, _ = np.histogram(times_of(schedule), edges_s)
    # Fisher's index of dispersion, chi-squared with windows - 1 degrees of freedom: nearly normal.
    dispersion = counts.var(ddof=1) / in_window
    assert abs(dispersion - 1) < Z * math.sqrt(2 / (windows - 1))
    neighbours = np.corrcoef(counts[:-1], counts[1:])[0, 1]
    assert abs(neighbours) < Z / math.sqrt(windows - 1)


def test_the_count_is_a_poisson_number():
    """Over 400 seeds the number of arrivals has mean and variance rate times duration."""
    counts = np.array([poisson(rate_per_s=50, duration_s=2, seed=n).count for n in range(400)])
    assert abs(counts.mean() - 100) < Z * math.sqrt(100 / 400)
    assert abs(counts.var(ddof=1) / 100 - 1) < Z * math.sqrt(2 / 399)


def test_every_process_has_the_same_arrivals():
    """Another process, that asks for the last arrival first, gets what this one gets."""
    schedule = poisson(rate_per_s=1000, duration_s=5, seed=7)
    times = times_of(schedule).tolist()
    program = (
        "from straingauge.schedule import poisson\n"
        "schedule = poisson(rate_per_s=1000, duration_s=5, seed=7)\n"
        "print([schedule.arrivals(n) for n in reversed(range(schedule.count))])\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert other.stdout.strip() == str(times[::-1])


def test_seeds_share_no_arrival():
    """Two seeds share no arrival."""
    first, second = (set(times_of(poisson(rate_per_s=100, duration_s=9, seed=n))) for n in (1, 2))
    assert not first & second


def test_late_arrivals_need_no_earlier_ones():
    """An arrival deep inside ten hours at 5,000/s is there without those before it."""
    schedule = poisson(rate_per_s=5000, duration_s=36_000, seed=5)
    n = 100_000_000
    at_s = schedule.arrivals(n)
    assert at_s is not None
    assert abs(at_s - n / 5000) < Z * math.sqrt(n) / 5000


def test_a_schedule_may_have_no_arrival():
    """If less than one arrival is expected there may be none, and the schedule is over."""
    empty = next(
        schedule
        for seed in range(100)
        if not (schedule := poisson(rate_per_s=0.1, duration_s=1, seed=seed)).count
    )
    assert empty.arrivals(0) is None
    # So short that its expected arrivals are 0 as floats go.
    assert poisson(rate_per_s=0.1, duration_s=5e-324).count == 0
