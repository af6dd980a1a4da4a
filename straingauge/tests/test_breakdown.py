"""Breakdown by Server-Timing: shares, percentiles and the slowest requests, by hand."""

import pytest
from straingauge.http import encode_headers
from straingauge.recording import Record, Recorder
from straingauge.statistics import endpoints, metrics

MS = 1_000_000


def record_of(requests: list[tuple[str, float, str | None]]) -> Record:
    """Of requests a millisecond apart: endpoint, response time in ms, Server-Timing."""
    recorder = Recorder()
    for n, (endpoint, took_ms, timing) in enumerate(requests):
        headers = [(b"X-Request-ID", b"r%d" % n)]
        if timing is not None:
            headers.append((b"Server-Timing", timing.encode()))
        at = n * MS
        done = at + int(took_ms * MS)
        sink = recorder.endpoint_sink("main", endpoint, 0)
        sink.add(at, at + MS // 2, at + MS, done, 200, encode_headers(headers))
    return recorder.snapshot()


def test_shares_of_all_and_of_the_slowest():
    """A part's share is of all response time, and apart within the slowest hundredth."""
    usual = [("GET /a", 10.0, "db;dur=2, app;dur=4")] * 990
    slow = [("GET /a", 100.0, "db;dur=90, app;dur=5")] * 10
    found = metrics(record_of(usual + slow))["server_timing"]
    assert found["responses"] == 1000
    assert list(found["parts"]) == ["app", "db", "unattributed"]
    db, rest = found["parts"]["db"], found["parts"]["unattributed"]
    assert db["share"] == pytest.approx((990 * 2 + 900) / 10_900, abs=1e-6)
    assert rest["share"] == pytest.approx((990 * 4 + 50) / 10_900, abs=1e-6)
    assert (db["share_slowest"], rest["share_slowest"]) == (0.9, 0.05)
    assert db["avg_ms"] == pytest.approx(2.88)
    assert [db[p] for p in ("p50_ms", "p95_ms", "p99_ms")] == pytest.approx([2, 2, 2], rel=0.005)


def test_the_slowest_hundredth_ends_within_a_bucket():
    """If all responses take the same time, the slowest hundredth has the same shares."""
    found = metrics(record_of([("GET /a", 10.0, "db;dur=2.5")] * 250))["server_timing"]["parts"]
    assert found["db"]["share_slowest"] == found["db"]["share"] == 0.25


def test_endpoints_are_split_apart():
    """Each endpoint has its own parts; one whose service sends no header has none."""
    record = record_of([("GET /a", 10, "db;dur=2"), ("GET /b", 10, "x;dur=8"), ("GET /c", 5, None)])
    each = endpoints(record)
    assert [list(each[name]["server_timing"]["parts"]) for name in ("GET /a", "GET /b")] == [
        ["db", "unattributed"],
        ["x", "unattributed"],
    ]
    assert each["GET /c"]["server_timing"] is None
    assert metrics(record)["server_timing"]["responses"] == 2


def test_the_slowest_of_all_endpoints():
    """The slowest requests of all endpoints are listed, each with all that finds it again."""
    record = record_of([("GET /a", float(n), f"db;dur={n / 2}") for n in range(1, 40)])
    record = record.merge(record_of([("GET /b", 38.5, None)]))
    slowest = metrics(record)["slowest"]
    assert len(slowest) == 20
    assert [each["response_ms"] for each in slowest[:3]] == [39, 38.5, 38]
    assert slowest[1] == {
        "endpoint": "GET /b",
        "start_s": 0.0,
        "response_ms": 38.5,
        "service_ms": 38.0,
        "status": 200,
        "request_id": "r0",
        "parts_ms": {},
        "trace_id": None,
    }
    assert slowest[0]["start_s"] == 0.038
    assert slowest[0]["parts_ms"] == {"db": 19.5}
