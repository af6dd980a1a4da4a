import numpy as np
import pytest
from straingauge.compare import paired
from straingauge.compare.paired import first_rank_kept


@pytest.mark.parametrize(
    ("n", "alpha", "kept"), [(5, 0.1, 1), (6, 0.05, 1), (10, 0.05, 9), (20, 0.05, 53)]
)
def test_ranks_match_published_tables(n: int, alpha: float, kept: int):
    """The ranks are those of the published tables of the signed-rank test."""
    # A table's critical value c has P(T <= c) <= alpha / 2; the first rank that is kept is c + 1.
    assert first_rank_kept(n, alpha) == kept


def test_the_interval_matches_published_tables():
    """For ten pairs the 95 % interval reaches from the 9th Walsh average to the 9th last."""
    differences = np.array([1.0, 2, 4, 8, 16, 32, 64, 128, 256, 512]) / 1000
    i, j = np.triu_indices(10)
    walsh = np.sort((differences[i] + differences[j]) / 2)
    found = paired(differences, 0.05)
    assert found.low == pytest.approx(100 * np.expm1(walsh[8]))
    assert found.high == pytest.approx(100 * np.expm1(walsh[-9]))


def test_the_normal_approximation_meets_the_exact_ranks():
    """At the transition, the approximate rank is within 3 % of the exact one."""
    exact, approximate = first_rank_kept(150, 0.001), first_rank_kept(151, 0.001)
    assert exact is not None
    assert approximate is not None
    assert 0 < approximate - exact < 0.03 * exact


def test_too_few_pairs_have_no_interval():
    """If even equal signs could be chance, there is an estimate but no interval."""
    few = paired(np.array([0.1, 0.1, 0.1]), 0.05)
    assert few.change == pytest.approx(100 * np.expm1(0.1))
    assert (few.low, few.high) == (None, None)


def test_the_interval_has_its_nominal_coverage():
    """With heavy tails and a machine that drifts, the error rate of the interval stays at alpha."""
    random = np.random.default_rng(7)
    misses = 0
    for _ in range(1000):
        burst = random.standard_t(2, 30) * 0.05 * random.choice([1, 4], 30, p=[0.9, 0.1])
        found = paired(burst, 0.1)
        misses += not (found.low <= 0 <= found.high)  # type: ignore[operator]  # 30 are enough
    assert misses <= 126  # 100 expected: a count this high has a chance below 1 in 200


def test_ten_percent_is_found_in_noise():
    """A change of 10 % among rounds that vary by 15 % is nearly always found."""
    random = np.random.default_rng(11)
    found = 0
    for _ in range(200):
        result = paired(np.log(1.1) + random.normal(0, 0.15, 60), 0.001)
        found += result.low is not None and result.low > 0
    assert found >= 180
