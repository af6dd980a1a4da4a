"""The header `traceparent` of requests, and the trace ids in records."""

import re

import pytest
from straingauge.http import ErrorKind, Request, RequestFailed
from straingauge.http.codec import encode
from straingauge.http.traceparent import SampledTraceIds, TraceIds, is_sampled
from straingauge.recording import Record, Recorder

HEADER = re.compile(rb"\r\ntraceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])")
MS = 1_000_000


def fields(header: bytes) -> tuple[str, str, str]:
    """Return trace id, span id and flags of a header line, which must be valid."""
    found = HEADER.fullmatch(header)
    assert found
    trace, span, flags = (each.decode() for each in found.groups())
    assert int(trace, 16)
    assert int(span, 16)
    return trace, span, flags


def test_each_request_has_its_own_trace():
    """Ids follow W3C Trace Context, differ over the end of a block, and are not sampled."""
    ids = TraceIds()
    seen = {}
    for _ in range(10_000):
        trace, span, flags = fields(ids.next_header())
        assert (trace, span, flags) == (ids.id_of(ids.number), ids.span_id, "0")
        seen[trace] = True
    assert len(seen) == 10_000


def test_processes_have_different_prefixes():
    """Two processes never send the same trace id."""
    assert TraceIds().prefix != TraceIds().prefix


def test_sampled_requests_have_odd_numbers():
    """The flag of the header and the number agree, and ids stay unique."""
    ids = SampledTraceIds(every_ns=0)
    seen = set()
    for _ in range(5_000):
        trace, _, flags = fields(ids.next_header())
        assert trace == ids.id_of(ids.number)
        assert flags == "1"
        assert is_sampled(ids.number)
        seen.add(trace)
    assert len(seen) == 5_000


def test_only_one_request_in_a_time_is_sampled():
    """The requests between two sampled ones have the flag 00 and even numbers."""
    ids = SampledTraceIds(every_ns=3_600_000_000_000)
    flags = [fields(ids.next_header())[2] for _ in range(100)]
    assert flags == ["1"] + ["0"] * 99
    assert not is_sampled(ids.number)


@pytest.mark.parametrize("body", [None, b"text"])
def test_the_header_is_sent_before_the_body(body: bytes | None):
    """The line of the header follows the host, with and without a body."""
    request = Request("POST", "/", "POST /", {"X-Own": "1"}, body)
    data = encode(request, b"host:80", TraceIds().next_header())
    head, _, sent_body = data.partition(b"\r\n\r\n")
    assert head.count(b"\r\ntraceparent: 00-") == 1
    assert b"Host: host:80\r\n" in head
    assert sent_body == (body or b"")


def test_a_journey_may_send_a_traceparent_of_its_own():
    """The header of a journey is the only one, in any case of its name."""
    request = Request("GET", "/", "GET /", {"TraceParent": "00-own"})
    data = encode(request, b"host", TraceIds().next_header())
    assert data.lower().count(b"traceparent") == 1


def test_slow_and_failed_requests_keep_their_trace_ids():
    """A record names the traces of the slowest requests and of the errors, after a round trip."""
    ids = TraceIds()
    recorder = Recorder(ids)
    sink = recorder.endpoint_sink("main", "GET /", 0)
    sink.add(0, 0, MS, 5 * MS, 200, None, 2)
    sink.add(0, 0, MS, 4 * MS, 200, None)
    sink.add_failure(0, 0, 0, 9 * MS, RequestFailed(ErrorKind.TIMEOUT, "no answer"), 4)
    series = Record.from_bytes(recorder.snapshot().to_bytes()).series["main", "GET /"]
    assert [each.trace_id for each in series.slowest] == [ids.id_of(4), ids.id_of(2), ""]
    assert [each.trace_id for each in series.examples] == [ids.id_of(4)]
    assert series.sampled == []


def test_sampled_requests_are_kept_with_their_times():
    """A record has sampled requests with the time that spans must fit in, after a merge as well."""
    ids = SampledTraceIds(every_ns=0)
    recorder = Recorder(ids)
    sink = recorder.endpoint_sink("main", "GET /", 0)
    sink.add(0, 2 * MS, 3 * MS, 5 * MS, 200, None, 3)
    sink.add(0, 2 * MS, 3 * MS, 5 * MS, 200, None, 4)
    record = Record.from_bytes(recorder.snapshot().to_bytes())
    (kept,) = record.merge(Record()).series["main", "GET /"].sampled
    assert (kept.trace_id, kept.span_id, kept.status) == (ids.id_of(3), ids.span_id, 200)
    assert (kept.response_ns, kept.service_ns) == (5 * MS, 3 * MS)
