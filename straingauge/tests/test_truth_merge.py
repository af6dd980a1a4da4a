"""Truth 3: N shards' records are one process's, bit for bit, and true to the sorted samples."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome_records import Event, outcomes, record_of
from straingauge.recording import Record

HOUR_NS = 3_600_000_000_000
times = st.lists(
    st.one_of(st.integers(1_000, HOUR_NS), st.integers(1_000, 100_000_000)),
    min_size=1,
    max_size=200,
)


@given(outcomes, st.integers(1, 6), st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_shards_merge_to_the_record_of_one_process(
    events: list[Event], shards: int, chance: random.Random
):
    """N processes' records merged, in any order and grouping, are one process's, bit for bit."""
    whole = record_of(events).snapshot()
    parts = [record_of(events[i::shards]).snapshot() for i in range(shards)]
    # Error examples carry the time of the test itself.
    for each in [*parts, whole]:
        for series in each.series.values():
            series.examples.clear()
    chance.shuffle(parts)
    half = len(parts) // 2
    one_by_one = Record().merge(*parts)
    grouped = Record().merge(*parts[:half]).merge(Record().merge(*parts[half:]))
    assert one_by_one.to_bytes() == grouped.to_bytes() == whole.to_bytes()


@given(times, st.integers(1, 8), st.floats(0, 1))
def test_quantiles_are_within_half_a_percent_of_the_samples(
    values: list[int], shards: int, q: float
):
    """From 1 us to 1 h each quantile of N merged shards is the sorted samples' own, to 0.5 %."""
    parts = [
        record_of([("GET /a", "main", 0, 0, value, None) for value in values[i::shards]])
        for i in range(shards)
    ]
    sent = [Record.from_bytes(part.snapshot().to_bytes()) for part in parts]
    rank = max(1, int(np.ceil(round(q * len(values), 6))))
    found_ns = Record().merge(*sent).total("main").response.quantile_ns(q)
    assert found_ns == pytest.approx(sorted(values)[rank - 1], rel=0.005)
