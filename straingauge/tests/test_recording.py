"""Records: what an outcome counts as, what is kept of it, and how little room that takes."""

import random
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from outcome_records import ORIGIN_NS, Event, outcomes, record_of
from straingauge.http import ErrorKind, RequestFailed, Response, encode_headers
from straingauge.journey import User
from straingauge.recording import Record, Recorder, RecordFormatError
from straingauge.recording.timeline import (
    ERRORS,
    MAX_SLOTS,
    RATE_LIMITED,
    RESPONSE_NS,
    SERVED,
    SERVICE_NS,
    STARTED,
)


@given(outcomes)
@settings(max_examples=50)
def test_a_record_survives_being_sent(events: list[Event]):
    """Bytes and back is the same record, and it can be merged on."""
    record = record_of(events).snapshot()
    back = Record.from_bytes(record.to_bytes())
    assert back == record
    assert back.merge(record) == record.merge(record)


def first_bucket(data: bytes, number: int, kind: str = "<u2") -> bytes:
    """The record with its first response time in another bucket, written as this type."""
    start = 10 + int.from_bytes(data[6:10], "little")
    header = data[:start].replace(b'"arrays":[[1,"<u2"]', b'"arrays":[[1,"%s"]' % kind.encode())
    return header + np.array([number], dtype=kind).tobytes() + data[start + 2 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda data: b"\x80\x04" + data,
        lambda data: data[:5] + b"\x63" + data[6:],
        lambda data: data[:-8],
        lambda data: data + b"\0" * 8,
        lambda data: data[:40],
        lambda data: data.replace(b'"requests"', b'"requestz"'),
        lambda data: data.replace(b'"<u2"', b'"<f2"'),
        lambda data: first_bucket(data, 65_535),
        lambda data: first_bucket(data, -1, "<i8"),
    ],
)
def test_damaged_bytes_are_refused(damage: Callable[[bytes], bytes]):
    """Whatever is no whole record of a known version is an error, not a wrong figure."""
    data = record_of([("GET /a", "main", 0, 0, 5_000_000, None)]).snapshot().to_bytes()
    with pytest.raises(RecordFormatError):
        Record.from_bytes(damage(data))


def test_a_bucket_that_exists_is_no_damage():
    """A bucket is rejected because its number is out of range, not because the bytes differ."""
    data = record_of([("GET /a", "main", 0, 0, 5_000_000, None)]).snapshot().to_bytes()
    moved = Record.from_bytes(first_bucket(data, 7, "<i8"))
    assert moved.total("main").response.counts[7] == 1


def test_each_outcome_has_its_counters():
    """Latency has answers and timeouts; 429 counts apart; a lost connection has no latency."""
    kinds = [
        None,
        ErrorKind.BAD_STATUS,
        ErrorKind.FAILED_CHECK,
        ErrorKind.TIMEOUT,
        ErrorKind.RESET,
        ErrorKind.RATE_LIMITED,
    ]
    recorder = record_of([("GET /a", "main", 0, 1000, 10**6, kind) for kind in kinds])
    recorder.endpoint_sink("main", "GET /a", ORIGIN_NS).add_journey_error("KeyError")
    series = recorder.snapshot().total("main")
    assert series.requests == 6
    assert (series.response.count, series.service.count, series.rate_limited.count) == (4, 4, 1)
    assert series.errors == {
        ErrorKind.BAD_STATUS: 1,
        ErrorKind.FAILED_CHECK: 1,
        ErrorKind.TIMEOUT: 1,
        ErrorKind.RESET: 1,
        ErrorKind.JOURNEY_ERROR: 1,
    }
    assert series.timeline.sums[0, [STARTED, ERRORS, RATE_LIMITED, SERVED]].tolist() == [6, 4, 1, 4]


def test_response_time_counts_from_the_intended_start():
    """Response time is done - intended, service time done - sent, both exact in their sums."""
    record = record_of([("GET /a", "main", 3_000_000_000, 2_000_000, 7_000_000, None)]).snapshot()
    series = record.total("main")
    assert (series.response.sum_ns, series.service.sum_ns) == (9_000_000, 7_000_000)
    assert series.first_byte.sum_ns == 1
    assert series.timeline.sums[3, [RESPONSE_NS, SERVICE_NS]].tolist() == [9_000_000, 7_000_000]
    assert series.timeline.longest_ns[3] == 9_000_000
    assert (series.first_ns, series.last_ns) == (3_000_000_000, 3_009_000_000)


def test_the_first_examples_of_each_kind_are_kept():
    """However many fail, a few of each kind are kept, with detail, status and request id."""
    recorder = Recorder()
    sink = recorder.endpoint_sink("main", "GET /a", 0)
    request = User(0).get("/a")
    for n in range(100):
        response = Response(request, 500, encode_headers([(b"X-Request-ID", b"r%d" % n)]), b"")
        sink.add_failure(1, 2, 3, 4, RequestFailed(ErrorKind.BAD_STATUS, f"number {n}", response))
    sink.add_failure(1, 2, 0, 4, RequestFailed(ErrorKind.RESET, "gone"))
    examples = recorder.snapshot().total("main").examples
    bad = [each for each in examples if each.kind == ErrorKind.BAD_STATUS]
    assert [each.detail for each in bad] == [f"number {n}" for n in range(5)]
    assert (bad[0].status, bad[0].request_id) == (500, "r0")
    assert [each.detail for each in examples if each.kind == ErrorKind.RESET] == ["gone"]


def test_an_hour_at_5000_a_second_takes_bounded_memory():
    """Memory depends on the number of endpoints and seconds, not on that of requests."""
    chance = random.Random(1)
    services = [int(chance.lognormvariate(16, 1)) for _ in range(1000)]
    tracemalloc.start()
    recorder = Recorder()
    sinks = [recorder.endpoint_sink("main", f"GET /{n}", 0) for n in range(3)]
    for second in range(0, 3600, 4):
        for n, service in enumerate(services[:40]):
            at = second * 1_000_000_000 + n
            sinks[n % 3].add(at, at, at, at + service, 200, None)
    recorder.snapshot()
    after_one, _ = tracemalloc.get_traced_memory()
    for _ in range(5):
        for n, service in enumerate(services):
            at = 3_599_000_000_000 + n
            sinks[n % 3].add(at, at, at, at + service, 200, None)
    recorder.snapshot()
    after_more, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50_000_000
    assert after_more - after_one < 100_000


def hours(count: int) -> tuple[int, int]:
    """The size of a run of some hours with 10 endpoints, in memory and encoded, in bytes."""
    tracemalloc.start()
    recorder = Recorder()
    sinks = [recorder.endpoint_sink("main", f"GET /{n}", 0) for n in range(10)]
    for n in range(count * 3600 * 10):
        at = n * 100_000_000
        took = 300_000_000 if n % 20 < 10 else 5_000_000
        sinks[n % 10].add(at, at, at + 1, at + took, 200, None)
    record = recorder.snapshot()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    timeline = record.total("main").timeline
    assert timeline.sums[: timeline.used, STARTED].all()
    return held, len(record.to_bytes())


def test_memory_is_bounded_however_long_a_run_is():
    """An hour of ten endpoints takes 25 MB at most, and a second hour next to nothing more.

    Encoded it is always less than that.
    """
    held, encoded = hours(1)
    held_longer, encoded_longer = hours(2)
    assert held < 25_000_000
    assert held_longer < 1.05 * held
    assert encoded < encoded_longer < held


def test_a_long_run_widens_its_slots():
    """Past its most slots a timeline doubles their width and loses no request."""
    recorder = record_of(
        [("GET /a", "main", n * 10**9, 0, 10**6, None) for n in range(0, 9000, 10)]
    )
    timeline = recorder.snapshot().total("main").timeline
    assert timeline.width_s == 8
    assert timeline.used <= MAX_SLOTS
    assert timeline.sums[:, STARTED].sum() == 900


def test_a_slots_median_is_near_the_true_one():
    """A slot's median is within 9 % of its requests' own."""
    chance = np.random.default_rng(3)
    services = (chance.lognormal(16, 0.5, 2000)).astype(int)
    recorder = record_of([("GET /a", "main", 0, 0, int(each), None) for each in services])
    median = recorder.snapshot().total("main").timeline.median_ns(0)
    assert median == pytest.approx(np.median(services), rel=0.09)


@pytest.mark.parametrize("true_ms", range(200, 300, 7))
def test_a_steady_slots_median_is_nearer(true_ms: int):
    """If nearly all requests take about the same time, a slot's median is within 2 % of theirs."""
    chance = np.random.default_rng(true_ms)
    steady = chance.normal(true_ms * 1e6, 2e6, 60).astype(int).tolist()
    services = [*steady, 10**9, 4 * 10**9]
    recorder = record_of([("GET /a", "main", 0, 0, each, None) for each in services])
    median = recorder.snapshot().total("main").timeline.median_ns(0)
    assert median == pytest.approx(np.median(services), rel=0.02)
