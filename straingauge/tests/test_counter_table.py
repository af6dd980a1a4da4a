"""Tables of counts: exact whatever they grow to, though they begin in 16 bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.recording import Record, Recorder
from straingauge.recording.counter_table import CounterTable
from straingauge.recording.in_flight import BEGAN, ENDED

COLUMNS = 3
MOST_ROWS = 16

cells = st.lists(st.integers(0, MOST_ROWS * COLUMNS - 1), max_size=8)
steps = st.lists(
    st.tuples(st.just("add"), cells)
    | st.tuples(st.just("merge"), st.integers(0, 2**59))
    | st.tuples(st.just("double"), st.integers(0, 40))
    | st.tuples(st.just("join"), st.just(0)),
    max_size=12,
)


@given(steps)
@settings(max_examples=200)
def test_counts_never_overflow(steps: list[tuple[str, int | list[int]]]):
    """Adding, merging and joining rows give the values of unbounded integers, bit for bit."""
    counts = CounterTable(COLUMNS, MOST_ROWS)
    true = np.zeros((MOST_ROWS, COLUMNS), dtype=object)
    for step, of in steps:
        if isinstance(of, list):
            counts.make_room(MOST_ROWS)
            counts.add(np.array(of, dtype=np.int64))
            np.add.at(true.reshape(-1), of, 1)
        elif step == "merge":
            counts.merge(np.array([[of, 0, 1]]))
            true[0] += [of, 0, 1]
        elif step == "double":
            for _ in range(of):
                if true.max() < 2**60:
                    counts.merge(counts.table.copy())
                    true *= 2
        elif true.max() < 2**60:
            counts.join_pairs()
            true = np.vstack((true[0::2] + true[1::2], np.zeros_like(true[: MOST_ROWS // 2])))
        if true.max() >= 2**60:
            break
    rows = len(counts.table)
    assert counts.table.tolist() == true[:rows].tolist()
    assert not true[rows:].any()


def test_counts_take_two_bytes_until_one_needs_more():
    """A table has 16-bit numbers as long as all of them fit, and wider ones from then on."""
    counts = CounterTable(COLUMNS, MOST_ROWS)
    counts.make_room(1)
    for _ in range(65_535 // 1285):
        counts.add(np.zeros(1285, dtype=np.int64))
    assert (counts.table[0, 0], counts.table.dtype) == (65_535, np.uint16)
    counts.add(np.zeros(1, dtype=np.int64))
    assert (counts.table[0, 0], counts.table.dtype) == (65_536, np.uint32)


@pytest.mark.parametrize("most", [60_000, 4_000_000_000])
def test_rows_joined_into_more_than_their_numbers_hold(most: int):
    """Two rows that just have room join to a sum that needs wider numbers, and none is lost."""
    counts = CounterTable(COLUMNS, MOST_ROWS)
    counts.merge(np.array([[most, 1, 0], [most, 2, 0], [0, 3, 0]]))
    counts.join_pairs()
    assert counts.table.tolist() == [[2 * most, 3, 0], [0, 3, 0]]


ENOUGH = 70_000
"""More requests in one instant than 16 bits hold."""


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The record of all requests in one recorder."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    for _ in range(ENOUGH):
        sink.add(0, 0, 1, 1_000_000, 200, None)
    return recorder.snapshot().to_bytes()


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_a_slot_with_more_requests_than_16_bits_hold(shards: int, whole: bytes):
    """70,000 requests in one instant all count, and merge to the same bytes, however split."""
    recorders = [Recorder() for _ in range(shards)]
    sinks = [recorder.endpoint_sink("main", "GET /a", 0) for recorder in recorders]
    for n in range(ENOUGH):
        sinks[n % shards].add(0, 0, 1, 1_000_000, 200, None)
    merged = Record().merge(*(recorder.snapshot() for recorder in recorders))
    series = Record.from_bytes(merged.to_bytes()).total("main")
    assert series.in_flight.at(50)[0, [BEGAN, ENDED]].tolist() == [ENOUGH, ENOUGH]
    assert (
        series.timeline.histograms.table.sum() == series.timeline.histograms.table.max() == ENOUGH
    )
    assert whole == merged.to_bytes()
