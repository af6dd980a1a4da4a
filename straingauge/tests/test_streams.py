"""Streams with a made clock: what is recorded, merged, judged and shown."""

import zlib
from typing import Any

import pytest
from sample_results import sample_result
from straingauge.http import ErrorKind, RequestFailed, Stream, StreamReader
from straingauge.journey import User
from straingauge.recording import Record, Recorder
from straingauge.report.markdown import markdown
from straingauge.report.page import page
from straingauge.report.streams import stream_lines
from straingauge.result.format.schema import schema, violation
from straingauge.statistics import metrics
from straingauge.verdict.metrics import value_of
from stream_results import ANSWER, HEADERS, MS, START, read, recorded, with_streams

PRICES = read(Stream(stall_s=0.2), (50, b"data: 1\n\n"), (300, b"data: 2\n\n"), until_ms=900)


def test_times_of_a_language_model():
    """The first token counts from the intended start; tokens in one piece have a gap of 0."""
    found = metrics(recorded(ANSWER))["streams"]
    assert (found["streams"], found["events"], found["tokens"]) == (1, 4, 4)
    assert found["time_to_first_token_ms"]["max"] == 110
    assert found["inter_token_latency_ms"]["samples"] == 3
    assert found["inter_token_latency_ms"]["avg"] == pytest.approx(50 / 3)
    assert found["duration_ms"]["max"] == 170  # the end mark, from the intended start
    assert found["ended"] == {"end_mark": 1}
    assert found["events_per_stream"]["avg"] == 4


def test_stalls_are_gaps_beyond_the_limit_and_the_silence_before_the_end():
    """Of events after 50 and 300 ms and an end after 900 ms, both gaps exceed 200 ms."""
    found = metrics(recorded(PRICES))["streams"]
    assert found["stalls"] == 2
    assert found["event_gap_ms"]["max"] == 250
    assert "tokens" not in found


def test_records_with_streams_merge_without_loss():
    """Merged records equal one record of all streams, and survive encoding."""
    parts = [recorded(PRICES, PRICES), recorded(ANSWER), recorded(PRICES)]
    whole = recorded(PRICES, PRICES, ANSWER, PRICES)
    merged = parts[2].merge(parts[0], parts[1])
    assert merged == whole
    assert Record.from_bytes(whole.to_bytes()) == whole
    assert "streams" not in metrics(Recorder().snapshot())


def test_gaps_of_a_long_stream_are_counted_in_bounded_memory():
    """Of 100,000 events all gaps count, and only the last 16 events are kept."""
    reader = StreamReader(Stream(), HEADERS, START)
    for number in range(1000):
        reader.feed([b"data: a\n\n" * 100], START + number * MS)
    assert len(reader.kept) == 16
    assert metrics(recorded(reader))["streams"]["event_gap_ms"]["samples"] == 99_999


def test_reports_show_streams():
    """Texts have a line for each endpoint with streams, and the page a section."""
    result = with_streams(sample_result(), ANSWER)
    assert violation(result, schema("result-1")) is None
    (line,) = stream_lines(result)
    assert line == (
        "GET /items: 1 stream, 4 events; first token p50 110 ms, p95 110 ms, max 110 ms; "
        "inter-token latency p50 20.0 ms, p95 30.0 ms, max 30.0 ms; ended by end mark 1"
    )
    assert line in markdown([result])
    assert 'id="r0-streams"' in page([result])
    assert 'id="r0-streams"' not in page([sample_result()])


def test_thresholds_may_name_the_times_of_streams():
    """Metrics of streams have values in the run and in its endpoint; without streams, none."""
    result = with_streams(sample_result(), ANSWER)
    for endpoint in (None, "GET /items"):
        assert value_of(result, "time_to_first_token_p95_ms", endpoint) == 110
        assert value_of(result, "stream_stalls", endpoint) == 0
    assert value_of(sample_result(), "stream_stalls") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "xml"}, "the format of a stream is one of sse, ndjson, chunks, not 'xml'"),
        ({"max_s": 0}, "max_s of a stream must be more than 0, not 0"),
        ({"stall_s": float("nan")}, "stall_s of a stream must be more than 0, not nan"),
        ({"max_events": 0}, "max_events of a stream must be 1 or more, not 0"),
        ({"max_events": 2, "min_events": 3}, "max_events of a stream must not be less than min"),
        ({"max_event_bytes": 0}, "max_event_bytes of a stream must be more than 0"),
        ({"checks": "price"}, "checks of a stream are a list"),
        ({"checks": [3]}, "a check of a stream is a text or a function, not 3"),
    ],
)
def test_settings_that_cannot_be_used(options: dict[str, Any], message: str):
    """A wrong setting is an error when the stream is declared."""
    with pytest.raises(ValueError, match=message):
        Stream(**options)


def test_requests_with_streams():
    """A request takes a name or a `Stream`, asks for events, and has consistent time limits."""
    user = User(0)
    request = user.get("/x", stream="sse")
    assert (request.stream, request.headers["Accept"]) == (Stream(), "text/event-stream")
    assert user.get("/x", stream="ndjson").headers == {}
    with pytest.raises(ValueError, match="a Stream or one of sse, ndjson, chunks, llm, not 'xml'"):
        user.get("/x", stream="xml")
    with pytest.raises(ValueError, match="timeout_s is 1, before the stream's max_s 2"):
        user.get("/x", stream=Stream(max_s=2), timeout_s=1)


def test_compressed_streams_are_decoded_as_they_come():
    """Gzip is decoded piece by piece; another encoding cannot be read as it comes."""
    coder = zlib.compressobj(wbits=31)
    pieces = [coder.compress(b"data: a\n\n") + coder.flush(zlib.Z_SYNC_FLUSH) for _ in range(3)]
    headers = HEADERS + b"\r\nContent-Encoding: gzip"
    reader = StreamReader(Stream(), headers, START)
    for number, piece in enumerate(pieces, start=1):
        assert reader.feed([piece], START + number * MS) is None
        assert reader.events == number
    broken = StreamReader(Stream(), headers, START).feed([b"not gzip"], START)
    assert isinstance(broken, RequestFailed)
    assert broken.kind is ErrorKind.PROTOCOL
    with pytest.raises(ValueError, match="'br' is not supported in a stream"):
        StreamReader(Stream(), HEADERS + b"\r\nContent-Encoding: br", START)
