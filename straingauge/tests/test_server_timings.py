"""Server-Timing parts, the slowest requests and requests in flight in a record."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.histogram import bucket_of
from straingauge.http import ErrorKind, RawHeaders, RequestFailed, Response, encode_headers
from straingauge.journey import User
from straingauge.recording import Record, Recorder
from straingauge.recording.in_flight import (
    BEGAN,
    ENDED,
    LONG_BEGAN,
    LONG_ENDED,
    LONG_MS,
    MAX_SLOTS,
    InFlightTimeline,
)
from straingauge.recording.server_timings import MAX_PARTS
from straingauge.recording.slow_requests import MAX_SLOWEST

MS = 1_000_000
Outcome = tuple[int, int, RawHeaders | None]

timings = st.lists(
    st.tuples(st.sampled_from([*"abcdefghijk", "unattributed", "other"]), st.integers(0, 50)),
    max_size=12,
).map(lambda parts: ", ".join(f"{name};dur={ms}" for name, ms in parts).encode())
headers = st.none() | st.tuples(timings, st.integers(0, 99)).map(
    lambda each: encode_headers([(b"Server-Timing", each[0]), (b"X-Request-ID", b"r%d" % each[1])])
)
outcomes = st.lists(
    st.tuples(st.integers(0, 9 * 3600 * 1000), st.integers(0, 300), headers), max_size=80
)


def record_of(outcomes: list[Outcome]) -> Record:
    """Of successes: intended start and response time in ms, headers."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    for at_ms, took_ms, raw in outcomes:
        at, took = at_ms * MS, took_ms * MS
        sink.add(at, at, at + 1, at + took, 200, raw)
    return recorder.snapshot()


@given(outcomes, st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_shards_merge_to_the_record_of_one_process(
    outcomes: list[Outcome], shards: int, chance: random.Random
):
    """Parts, slowest requests and timelines of shards merge to those of one process, exactly."""
    parts = [record_of(outcomes[i::shards]) for i in range(shards)]
    chance.shuffle(parts)
    half = len(parts) // 2
    grouped = Record().merge(*parts[:half]).merge(Record().merge(*parts[half:]))
    whole = record_of(outcomes)
    assert grouped.to_bytes() == Record().merge(*parts).to_bytes() == whole.to_bytes()
    assert Record.from_bytes(whole.to_bytes()).merge(whole) == whole.merge(whole)


def test_a_response_is_split_into_parts_and_rest():
    """Each part's sum is exact, and the rest is what the service did not name."""
    raw = encode_headers([(b"Server-Timing", b"pool;dur=1, db;dur=2.5")])
    parts = record_of([(0, 10, raw), (0, 20, raw), (0, 30, None)]).total("main").server_timings
    assert {name: part.times.sum_ns for name, part in parts.parts.items()} == {
        "pool": 2 * MS,
        "db": 5 * MS,
        "unattributed": 23 * MS,
    }
    assert (parts.counts.sum(), parts.sums_ns.sum()) == (2, 30 * MS)
    slow = bucket_of(np.array([20 * MS]))[0]
    assert parts.parts["db"].sums_ns[slow] == 2.5 * MS


def test_parts_are_kept_over_time_too():
    """Each part's sum is exact for each second; in a long run for slots of 2, 4, 8 ... seconds."""
    raw = encode_headers([(b"Server-Timing", b"db;dur=2")])
    parts = record_of([(0, 10, raw), (900, 10, raw), (3100, 10, raw)]).total("main").server_timings
    assert parts.over_time_ns(1)["db"][:5].tolist() == [4 * MS, 0, 0, 2 * MS, 0]
    assert parts.over_time_ns(2)["unattributed"][:3].tolist() == [16 * MS, 8 * MS, 0]
    hour = record_of([(0, 10, raw), (3_600_000, 10, raw)]).total("main").server_timings
    assert (hour.width_s, int(hour.over_time_ns(16)["db"][225])) == (16, 2 * MS)


def test_parts_that_overlap_leave_no_rest():
    """A service whose parts exceed the response time has no rest, not a negative one."""
    raw = encode_headers([(b"Server-Timing", b"total;dur=10, db;dur=9")])
    assert (
        record_of([(0, 11, raw)]).total("main").server_timings.parts["unattributed"].times.sum_ns
        == 0
    )


def test_a_service_cannot_fill_the_memory_with_names():
    """Of hundreds of part names a few are kept, and the others' time is kept as other."""
    raw = [encode_headers([(b"Server-Timing", b"part-%03d;dur=1" % n)]) for n in range(300)]
    parts = record_of([(0, 5, each) for each in raw]).total("main").server_timings
    assert len(parts.parts) == MAX_PARTS + 2
    assert parts.parts["other"].times.sum_ns == (300 - MAX_PARTS) * MS


def test_the_slowest_requests_are_kept():
    """Whatever the number of requests, the slowest are kept, with their id, time and parts."""
    took = list(range(1, 3001))
    random.Random(4).shuffle(took)
    outcomes: list[Outcome] = [
        (
            n,
            ms,
            encode_headers(
                [(b"x-request-id", b"id-%d" % ms), (b"server-timing", b"db;dur=%d" % (ms // 2))]
            ),
        )
        for n, ms in enumerate(took)
    ]
    kept = record_of(outcomes).total("main").slowest
    assert [each.request_id for each in kept] == [f"id-{3000 - n}" for n in range(MAX_SLOWEST)]
    assert (kept[0].response_ns, kept[0].status) == (3000 * MS, 200)
    assert kept[0].intended_ns == took.index(3000) * MS
    assert kept[0].parts_ms == (("db", 1500.0),)


def test_failures_are_among_the_slowest_with_their_ids():
    """A slow error keeps its request id; a timeout is kept though it has neither id nor status."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    answer = Response(User(0).get("/a"), 500, encode_headers([(b"X-Request-ID", b"r7")]), b"")
    sink.add_failure(0, 0, 1, 9 * MS, RequestFailed(ErrorKind.BAD_STATUS, "status 500", answer))
    sink.add_failure(0, 0, 0, 50 * MS, RequestFailed(ErrorKind.TIMEOUT, "no answer"))
    sink.add_failure(0, 0, 0, 99 * MS, RequestFailed(ErrorKind.RESET, "gone"))
    series = recorder.snapshot().total("main")
    assert [(each.status, each.request_id) for each in series.slowest] == [(0, ""), (500, "r7")]
    assert sorted(each.request_id for each in series.examples) == ["", "", "r7"]


def test_the_pulse_counts_starts_and_ends():
    """Starts and ends count in slots of 50 ms, of failures too, and again of long requests."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 5 * MS)
    sink.add(5 * MS, 5 * MS, 6 * MS, 65 * MS, 200, None)
    sink.add_failure(66 * MS, 66 * MS, 0, 106 * MS, RequestFailed(ErrorKind.RESET, "gone"))
    sink.add(10 * MS, 10 * MS, 11 * MS, 10 * MS + LONG_MS * MS, 200, None)
    counts = recorder.snapshot().total("main").in_flight.at(50)
    assert counts[:, BEGAN].tolist() == [2, 1, 0, 0, 0]
    assert counts[:, ENDED].tolist() == [0, 1, 1, 0, 1]
    assert counts[:, LONG_BEGAN].tolist() == [1, 0, 0, 0, 0]
    assert counts[:, LONG_ENDED].tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("hours", "width_ms"), [(0.9, 50), (1, 100), (3, 200)])
def test_a_long_runs_pulse_is_coarser(hours: float, width_ms: int):
    """Above its maximum of slots, a timeline doubles their width and loses no request."""
    times_ns = (np.linspace(0, hours * 3.6e12, 1000)).astype(np.int64)
    pulse = InFlightTimeline()
    pulse.add(times_ns, times_ns)
    assert pulse.width_ms == width_ms
    assert len(pulse.counts.table) <= MAX_SLOTS
    assert pulse.counts.table.sum(axis=0)[[BEGAN, ENDED]].tolist() == [1000, 1000]


def test_the_same_names_are_kept_however_a_load_was_split():
    """Of more names than are kept, two processes merged keep those that one would have kept."""
    outcomes: list[Outcome] = [
        (n, 5, encode_headers([(b"Server-Timing", b"%c;dur=1" % letter)]))
        for n, letter in enumerate(b"kjihgfedcba")
    ]
    merged = Record().merge(*(record_of(outcomes[n::2]) for n in (1, 0)))
    assert merged == record_of(outcomes)
    assert set(merged.total("main").server_timings.parts) == {*"abcdefgh", "other", "unattributed"}
