"""Exports for HdrHistogram's tools, read back by its Python port."""

import base64
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # comes without types
from hdrh.log import HistogramLogReader  # type: ignore[import-untyped]  # the same
from hypothesis import given, settings
from hypothesis import strategies as st
from straingauge.histogram import Histogram
from straingauge.recording import Record, Recorder
from straingauge.recording.hdr import _payload, decode, encode, intervals, log

HOUR_NS = 3_600_000_000_000
STARTED_AT_S = 1_700_000_000.25
times = st.lists(
    st.one_of(st.integers(1_000, HOUR_NS), st.integers(1_000, 100_000_000)),
    min_size=1,
    max_size=100,
)
# When each request should have started, in ms after the phase's start, and how long it took.
requests = st.lists(
    st.tuples(
        st.sampled_from(["GET /a", "POST /b,c%2C", "GET /sessions/{id}"]),
        st.integers(0, 20_000),
        st.integers(1_000, 10_000_000_000),
    ),
    max_size=60,
)


def of(values: list[int]) -> Histogram:
    """A histogram of these times."""
    histogram = Histogram()
    histogram.add(np.array(values, dtype=np.int64))
    return histogram


def record_of(outcomes: list[tuple[str, int, int]]) -> Record:
    """The record of successes: endpoint, intended start in ms, response time in ns."""
    recorder = Recorder()
    for endpoint, after_ms, took_ns in outcomes:
        start_ns = after_ms * 1_000_000
        recorder.endpoint_sink("main", endpoint, 0).add(
            start_ns, start_ns, start_ns + 1, start_ns + took_ns, 200, None
        )
    return recorder.snapshot()


def log_of(record: Record, started_at_s: float) -> Iterator[str]:
    """The log of a record's main phase, each endpoint with its name for a tag."""
    endpoints = record.endpoints("main")
    lines = [each for name in endpoints for each in intervals(endpoints[name].timeline, name)]
    return log(lines, started_at_s)


def ranked(histogram: HdrHistogram, rank: int) -> int:
    """The time of a rank, as its reader sees it."""
    value: int = histogram.get_value_at_percentile(100 * rank / histogram.get_total_count())
    return value


def read_back(path: Path, lines: Iterator[str]) -> list[HdrHistogram]:
    """The intervals of a log, as its reader sees them."""
    path.write_text("".join(lines))
    reader = HistogramLogReader(str(path), None)
    try:
        return list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()


@given(times, st.floats(0, 1))
def test_hdrhistogram_reads_back_every_percentile_within_half_a_percent(
    values: list[int], share: float
):
    """From 1 us to 1 h, counts are equal and each rank is the sorted samples' own, to 0.5 %."""
    read = HdrHistogram.decode(encode(of(values)))
    rank = max(1, round(share * len(values)))
    assert read.get_total_count() == len(values)
    assert ranked(read, rank) == pytest.approx(sorted(values)[rank - 1], rel=0.005)
    assert ranked(read, len(values)) == pytest.approx(max(values), rel=0.001)


@given(st.dictionaries(st.integers(1, HOUR_NS), st.integers(1, 2**50), max_size=50))
def test_the_contents_are_byte_for_byte_what_hdrhistogram_writes(counts: dict[int, int]):
    """The same times recorded by HdrHistogram itself give the same cells in the same encoding."""
    oracle = HdrHistogram(1, HOUR_NS, 3)
    for time_ns, count in counts.items():
        oracle.record_value(time_ns, count)
    assert contents(_payload(Counter(counts))) == contents(oracle.encode())


def contents(payload: str | bytes) -> bytes:
    """Decompress a payload."""
    return zlib.decompress(base64.b64decode(payload)[8:])


def test_a_payload_begins_as_the_format_says():
    """A V2 histogram in a log is recognizable by its first letters."""
    assert encode(of([5_000])).startswith("HISTFAAA")


def test_an_empty_histogram_is_read_back_empty():
    """Nothing measured is an answer, not an error."""
    assert HdrHistogram.decode(encode(Histogram())).get_total_count() == 0


def test_values_above_an_hour_count_as_an_hour():
    """An overflow is in the export, longer than all others."""
    read = HdrHistogram.decode(encode(of([2_000] * 90 + [2 * HOUR_NS, 9 * HOUR_NS] * 5)))
    assert read.get_total_count() == 100
    assert ranked(read, 90) == pytest.approx(2_000, rel=0.005)
    assert ranked(read, 91) == pytest.approx(HOUR_NS, rel=0.001)


def test_many_times_in_one_bucket_are_counted():
    """A count that takes several bytes is read back whole."""
    histogram = of([7_000_000])
    for _ in range(40):
        histogram.merge(histogram)
    read = HdrHistogram.decode(encode(histogram))
    assert read.get_total_count() == 2**40


@given(requests)
@settings(max_examples=50)
def test_a_log_has_each_second_of_each_endpoint_with_its_times(
    tmp_path_factory: pytest.TempPathFactory, outcomes: list[tuple[str, int, int]]
):
    """Tags, starts, lengths, counts and times of the intervals are those of the requests."""
    seconds: dict[tuple[float, str], list[int]] = {}
    for endpoint, after_ms, took_ns in outcomes:
        start_ms = (STARTED_AT_S + after_ms // 1000) * 1000
        seconds.setdefault((start_ms, endpoint), []).append(took_ns)
    lines = log_of(record_of(outcomes), STARTED_AT_S)
    read = read_back(tmp_path_factory.getbasetemp() / "log.hlog", lines)
    starts = [each.get_start_time_stamp() for each in read]
    assert starts == sorted(starts)
    found = {(each.get_start_time_stamp(), unquote(each.get_tag())): each for each in read}
    assert found.keys() == seconds.keys()
    assert len(found) == len(read)
    for key, values in seconds.items():
        interval = found[key]
        assert interval.get_end_time_stamp() - interval.get_start_time_stamp() == 1000
        assert interval.get_total_count() == len(values)
        assert ranked(interval, 1) == pytest.approx(min(values), rel=0.064)
        assert interval.get_max_value() == pytest.approx(max(values), rel=0.001)


def test_a_long_run_has_intervals_as_wide_as_its_timeline(tmp_path: Path):
    """After 2048 seconds an interval is two seconds long, and the log says so."""
    record = record_of([("GET /a", 3_000, 2_000_000), ("GET /a", 3_000_000, 2_000_000)])
    read = read_back(tmp_path / "log", log_of(record, 0))
    spans = [(each.get_start_time_stamp(), each.get_end_time_stamp()) for each in read]
    assert spans == [(2_000, 4_000), (3_000_000, 3_002_000)]


def test_a_log_begins_with_its_version_its_start_and_its_legend():
    """The head is the format's own, and a phase without requests has nothing but a head."""
    assert list(log_of(Record(), STARTED_AT_S)) == [
        "#[Histogram log format version 1.3]\n",
        "#[StartTime: 1700000000.250 (seconds since epoch), 2023-11-14T22:13:20.250+00:00]\n",
        "#[BaseTime: 1700000000.250 (seconds since epoch)]\n",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"\n',
    ]


def test_the_longest_time_of_an_interval_is_in_milliseconds():
    """A line says its start and length in seconds and its longest time in milliseconds."""
    lines = list(log_of(record_of([("GET /a", 1_500, 2_769_000)]), 0))
    assert lines[-1].startswith("Tag=GET%20/a,1.000,1.000,2.769,HISTFAAA")


@given(values=times)
@settings(max_examples=50)
def test_decoded_values_are_within_half_a_percent(values: list[int]):
    """Decoding gives each time back, in order, within half a percent of the sample."""
    found_ns, counts = decode(encode(of(values)))
    decoded = np.repeat(found_ns, counts)
    assert decoded == pytest.approx(np.sort(values), rel=0.005)


@pytest.mark.parametrize(
    "payload",
    ["", "no base64!", "AAAA", base64.b64encode(b"\x1c\x84\x93\x14\0\0\0\4abcd").decode()],
)
def test_other_payloads_are_refused(payload: str):
    """A payload that is damaged or of another kind raises ValueError and nothing else."""
    with pytest.raises(ValueError, match="not a histogram"):
        decode(payload)
