"""Histograms: small, mergeable, and within 0.4 % of the sorted samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.histogram import BUCKETS, Histogram, bucket_edges_ns, bucket_of

HOUR_NS = 3_600_000_000_000
times = st.lists(
    st.one_of(st.integers(1_000, HOUR_NS), st.integers(1_000, 100_000_000)),
    min_size=1,
    max_size=200,
)


def of(values: list[int]) -> Histogram:
    """A histogram of these times."""
    histogram = Histogram()
    histogram.add(np.array(values, dtype=np.int64))
    return histogram


@given(times)
def test_count_sum_and_extremes_are_exact(values: list[int]):
    """Values that need no rounding are not rounded."""
    histogram = of(values)
    assert histogram.count == len(values)
    assert histogram.sum_ns == sum(values)
    assert (histogram.min_ns, histogram.max_ns) == (min(values), max(values))
    assert histogram.quantile_ns(0) == min(values)
    assert histogram.quantile_ns(1) == max(values)


def test_every_time_lies_in_its_bucket():
    """Buckets tile the whole range without gap or overlap, each at most 1/128 wide."""
    edges = bucket_edges_ns(np.arange(BUCKETS + 1))
    assert edges[0] <= 1000
    assert edges[-1] > HOUR_NS
    assert np.all(np.diff(edges) / edges[:-1] <= 1 / 128)
    inside = np.floor(edges[:-1]).astype(np.int64)
    assert np.array_equal(bucket_of(np.maximum(inside, 512)), np.arange(BUCKETS))


def test_beyond_an_hour_is_counted_and_is_the_longest():
    """An overflow is not dropped: it counts in every percentile, as longer than all others."""
    histogram = of([1000] * 90 + [2 * HOUR_NS] * 10)
    assert (histogram.count, histogram.overflow) == (100, 10)
    assert histogram.quantile_ns(0.90) == pytest.approx(1000, rel=0.005)
    assert histogram.quantile_ns(0.91) == 2 * HOUR_NS


def test_an_empty_histogram_has_no_quantiles():
    """Nothing measured gives nothing, not zero."""
    assert Histogram().quantile_ns(0.5) is None
    assert Histogram().mean_ns is None
    with pytest.raises(IndexError):
        Histogram().ranked_ns(1)
