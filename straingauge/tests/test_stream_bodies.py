"""Bodies of streams as broken servers and middle boxes send them: engine and Locust alike."""

import zlib
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any

import pytest
from locust_caller import Locust
from raw_server import Server, serve
from single_journey import peak_bytes, run_journey
from straingauge.http import RequestFailed, Stream
from straingauge.http.streaming.inflater import Inflater
from straingauge.http.streaming.stream_reader import StreamReader
from straingauge.journey import User
from stream_results import HEADERS, START
from streaming_service import BODIES, ZIPPED, sent_ns, stream

FIFTY = [str(number) for number in range(50)]
LINES = ['{"a": 1}', '{"b": 2}', '{"c": 3}']
OUTCOMES: dict[str, tuple[str, list[str] | tuple[str, str]]] = {
    "/bytes": ("sse", ["é😀", "b"]),
    "/gzip": ("sse", FIFTY),
    "/gzip/bytes": ("sse", FIFTY),
    "/gzip/cut": ("sse", ("protocol", "the compressed stream is cut off before its end, after")),
    "/gzip/no-check": ("sse", ("protocol", "cut off before its end, after 50 events")),
    "/gzip/garbage": ("sse", ("protocol", "the stream is not encoded as declared")),
    "/gzip/members": ("sse", [*FIFTY, "last"]),
    "/gzip/bomb": ("sse", ("protocol", "an event of more than 1048576 bytes")),
    "/zlib": ("sse", FIFTY),
    "/deflate": ("sse", FIFTY),
    "/trailers": ("sse", FIFTY),
    "/extension": ("sse", ["a"]),
    "/bad-size": ("sse", ("protocol", "Invalid character in chunk size")),
    "/bad-end": ("sse", ("protocol", "after 0 events")),
    "/cut": ("sse", ("short_body", "after 1 event")),
    "/no-last-chunk": ("sse", ("short_body", "after 1 event")),
    "/no-blank-line": ("sse", ["a"]),
    "/lines": ("ndjson", LINES),
    "/lines/cut": ("ndjson", ("protocol", "ends within a line, which is no JSON, after 1 event")),
    "/line": ("ndjson", ("protocol", "a line of more than 1048576 bytes")),
    "/comments": ("sse", ("early_close", "after 0 events, expected at least 1")),
}

CALL = """
from straingauge import Stream

def journey(user):
    reply = yield user.get({path!r}, stream=Stream(format={kind!r}, keep=100))
    user.data["events"] = [event.data for event in reply.events]

user.run_journey(journey)
return user.journey_user.data.get("events")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The server of all tests in this module."""
    with serve(stream) as served:
        yield served


def test_each_body_has_an_outcome():
    """Each body of the server has its row in the table."""
    assert OUTCOMES.keys() == BODIES.keys()


@pytest.mark.parametrize("path", OUTCOMES)
def test_bodies(server: Server, caller: Locust, path: str):
    """Whole events are read, however they arrive; what is broken is an error of its kind."""
    kind, expected = OUTCOMES[path]
    events: list[str] = []

    def journey(user: User):
        declared = Stream(format=kind, keep=100)  # type: ignore[arg-type]  # of a table
        reply = yield user.get(path, stream=declared)
        events.extend(event.data for event in reply.events)

    series, _ = run_journey(server.url, journey)
    outcome = caller.call(server.url, CALL.format(path=path, kind=kind))
    (recorded,) = outcome.record.values()
    assert recorded["errors"] == dict(series.errors)
    assert recorded["examples"] == [each.detail for each in series.examples]
    assert recorded["streams"] == dict(series.streams.counts)
    if isinstance(expected, list):
        assert (dict(series.errors), events) == ({}, expected)
        assert outcome.value == expected
        return
    failure, detail = expected
    assert dict(series.errors) == {failure: 1}
    assert detail in series.examples[0].detail


def test_endless_content_takes_no_memory():
    """Of comments, empty lines and events, however many, only the last events are kept."""
    reader = StreamReader(Stream(keep=2), HEADERS, START)
    pieces = [b": " + b"c" * 1000 + b"\n", b"\r\n" * 500, b"id: 7\ndata: " + b"d" * 500 + b"\n\n"]
    with peak_bytes() as peak:
        for number in range(20_000):
            assert reader.feed([pieces[number % 3]], START + number) is None
        taken = peak()
    assert reader.events == 20_000 // 3
    assert taken < 500_000


@pytest.mark.parametrize("size", [65_536, 65_537, 65_540, 131_330])
def test_the_end_of_a_compressed_piece_is_not_held_back(size: int):
    """All that a piece decodes to is there with it, also at the limit of one step."""
    coder = zlib.compressobj(wbits=-15)
    piece = coder.compress(b"a" * size) + coder.flush()
    assert sum(map(len, Inflater("deflate").feed(piece))) == size


def test_a_compressed_stream_that_is_closed_on_purpose_is_not_cut_off():
    """A stream that a limit or an end mark ends needs no end of the compression."""
    headers = HEADERS + b"\r\nContent-Encoding: gzip"
    closed = StreamReader(Stream(max_events=3), headers, START)
    assert closed.feed([ZIPPED[:-9]], START) is None
    assert closed.finish(START) is None
    marked = StreamReader(Stream(end="7"), headers, START)
    assert marked.feed([ZIPPED[:-9]], START) is None
    assert marked.finish(START) is None
    cut = StreamReader(Stream(), headers, START)
    cut.feed([ZIPPED[:-9]], START)
    assert isinstance(cut.finish(START), RequestFailed)


@pytest.mark.serial  # compares measured times with known ones
@pytest.mark.parametrize("path", ["/steady", "/steady/gzip", "/steady/lines"])
def test_gaps_are_those_of_the_servers_log(server: Server, path: str):
    """No event is stamped before the server has sent it; most are within 5 ms after that."""
    found: list[Any] = []

    def journey(user: User):
        kind = "ndjson" if path.endswith("lines") else "sse"
        found.append((yield user.get(path, stream=Stream(format=kind))).stream)  # type: ignore[arg-type]

    series, _ = run_journey(server.url, journey)
    truth = sent_ns[path]
    gaps = found[0].gaps._values  # each one; the histogram rounds them
    arrived = list(accumulate(gaps, initial=found[0].first_ns))
    assert len(arrived) == len(truth) == 40
    late = sorted(at - sent for at, sent in zip(arrived, truth, strict=True))
    assert late[0] >= 0
    assert late[len(late) // 2] < 5e6
    errors = sorted(
        abs(gap - (after - before))
        for gap, (before, after) in zip(gaps, pairwise(truth), strict=True)
    )
    assert errors[len(errors) // 2] < 5e6
    measured = series.streams.times["event_gap"]
    assert measured.sum_ns == pytest.approx(truth[-1] - truth[0], rel=0.01, abs=30e6)
