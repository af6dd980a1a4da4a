"""Spans are related to requests, and say where the time of each endpoint goes."""

import json
from base64 import b64encode
from typing import Any

import pytest
from span_messages import BEGIN_NS, MS, PREFIX, SELECT, SENDER, message, request, root, span
from straingauge.result.format.profile import CodeLine
from straingauge.result.format.schema import schema, violation
from straingauge.result.format.traces import Traces
from straingauge.traces import SpanBuffer, analyze
from straingauge.traces.conventions import asks_for_lock, without_values
from straingauge.traces.otlp import MAX_STACK, DamagedMessage, read_message
from straingauge.traces.span_buffer import MAX_FOREIGN_BYTES, Message

ENDPOINT = "GET /books"
BY_ID = "SELECT 1 FROM b WHERE i="
HTTP_OLD = {"http.method": "GET", "http.url": "http://user:pass@prices:8080/v1/all?token=x"}
HTTP_NEW = {
    "http.request.method": "GET",
    "url.full": "http://prices:8080/v1/all?token=x",
    "server.address": "prices",
    "server.port": 8080,
}


def analyzed(*spans: dict[str, Any], requests: int = 1, service_ms: float = 100.0) -> Traces:
    """Return the analysis of these spans."""
    buffer = SpanBuffer(PREFIX)
    buffer.add(Message(message(spans), is_json=True))
    sampled = [request(number + 1, service_ms) for number in range(requests)]
    found = analyze(buffer, {ENDPOINT: sampled}, "explain")
    whole = schema("result-1")
    assert violation(found, {"$ref": "#/definitions/traces", **whole}) is None
    return found


def parts(found: Traces) -> dict[str, float]:
    """Return the parts of the endpoint's time without the unit, those above 0."""
    times = found["endpoints"][ENDPOINT]["parts_ms"]
    return {name.removesuffix("_ms"): round(ms, 3) for name, ms in times.items() if ms}  # type: ignore[call-overload]


def test_the_time_of_a_request_is_divided():
    """Queue, own code, database, calls, cache and the rest add up to the time of the request."""
    found = analyzed(
        root(),
        span(2, 1, 10, 30, attributes=SELECT),
        span(3, 1, 40, 60, attributes=HTTP_OLD),
        span(4, 1, 60, 65, attributes={"db.system": "redis", "db.statement": "GET ?"}),
    )
    expected = {"queue": 2, "own": 48, "database": 20, "http": 20, "cache": 5, "unaccounted": 5}
    assert parts(found) == expected
    assert sum(expected.values()) == found["endpoints"][ENDPOINT]["duration_ms"] == 100


def test_concurrent_calls_count_once():
    """Two statements at the same time take the time of one."""
    found = analyzed(
        root(), span(2, 1, 10, 30, attributes=SELECT), span(3, 1, 20, 40, attributes=SELECT)
    )
    assert parts(found)["database"] == 30


def test_work_after_the_response_does_not_count():
    """A span that outlasts the response is only counted up to its end."""
    found = analyzed(root(), span(2, 1, 90, 500, attributes=SELECT))
    assert parts(found)["database"] == 5


def test_reading_the_request_is_not_the_service():
    """Time in which a slow client sends its request is not the service's own."""
    receive = span(2, 1, 10, 60, kind="own", attributes={"asgi.event.type": "http.request"})
    assert parts(analyzed(root(), receive)) == {"queue": 2, "own": 43, "unaccounted": 55}


def test_statements_of_another_service_are_within_the_call_to_it():
    """A downstream service that exports to the same receiver does not add its statements."""
    found = analyzed(
        root(),
        span(2, 1, 10, 60, attributes=HTTP_NEW),
        span(3, 2, 12, 58, kind="server"),
        span(4, 3, 20, 50, attributes=SELECT),
    )
    assert parts(found)["http"] == 50
    assert "database" not in parts(found)
    assert found["statements"] == []
    assert [each["category"] for each in found["kept"][0]["spans"]] == [
        *("server", "http", "server", "database"),
    ]


def test_a_repeated_statement_is_found_with_its_parent():
    """Statements that differ in values only are one, with endpoint, parent and count."""
    loop = [
        span(
            10 + number,
            2,
            10 + number,
            10.5 + number,
            attributes={
                "db.system": "postgresql",
                "db.statement": f"{BY_ID}{number}",
            },
        )
        for number in range(20)
    ]
    handler = span(2, 1, 5, 90, name="list_books", kind="own")
    (row,) = analyzed(root(), handler, *loop)["statements"]
    assert (row["per_request"], row["most_per_request"], row["traces"]) == (20, 20, 1)
    assert (row["endpoint"], row["parent"]) == (ENDPOINT, "list_books")
    assert row["statement"] == "SELECT ? FROM b WHERE i=?"
    assert row["share"] == pytest.approx(0.1)


def test_an_orm_and_its_driver_report_one_call():
    """A call within another one of a second library is the same statement."""
    buffer = SpanBuffer(PREFIX)
    buffer.add(
        Message(message([root(), span(2, 1, 10, 30, attributes=SELECT)], "orm"), is_json=True)
    )
    buffer.add(Message(message([span(3, 1, 12, 29, attributes=SELECT)], "driver"), is_json=True))
    found = analyze(buffer, {ENDPOINT: [request(1)]}, "explain")
    assert [row["per_request"] for row in found["statements"]] == [1]
    assert found["endpoints"][ENDPOINT]["statements_per_request"] == 1


@pytest.mark.parametrize("attributes", [HTTP_OLD, HTTP_NEW])
def test_calls_to_other_services_are_counted_by_host(attributes: dict[str, str | int]):
    """Old and new names of attributes give the host; secrets of the URL are not kept."""
    failed = {**attributes, "http.status_code": 503}
    found = analyzed(
        root(), span(2, 1, 10, 60, attributes=attributes), span(3, 1, 60, 70, attributes=failed)
    )
    (row,) = found["calls"]
    assert (row["host"], row["calls"], row["errors"]) == ("prices:8080", 2, 1)
    assert (row["avg_ms"], row["max_ms"], row["share"]) == (30, 50, 0.6)
    assert found["kept"][0]["spans"][1]["detail"] == "http://prices:8080/v1/all"


def test_a_skewed_clock_is_counted():
    """The parts stay within the request if the service's clock is ahead by an hour."""
    hour_ms = 3_600_000
    found = analyzed(
        root(start_ms=hour_ms, end_ms=hour_ms + 90),
        span(2, 1, hour_ms + 10, hour_ms + 30, attributes=SELECT),
    )
    assert parts(found) == {"own": 70, "database": 20, "unaccounted": 10}
    assert found["spans"]["skewed"] == 2
    assert any("another clock" in note for note in found["notes"])


def test_missing_parents_and_loops_do_not_lose_spans():
    """Spans without a known parent belong to the service's first span."""
    found = analyzed(
        root(),
        span(2, 99, 10, 20, attributes=SELECT),
        span(3, 4, 30, 40, attributes=SELECT),
        span(4, 3, 30, 40, attributes=SELECT),
    )
    assert found["spans"]["used"] == 4
    assert found["spans"]["without_parent"] == 3
    assert parts(found)["database"] == 20


def test_spans_of_other_requests_are_counted_only():
    """Spans of requests that the run did not send, or did not sample, change no figure."""
    found = analyzed(root(), root(trace=77), span(2, 1, 3, 9, trace=78, attributes=SELECT))
    assert (found["spans"]["used"], found["spans"]["foreign"], found["traced"]) == (1, 2, 1)
    assert found["statements"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"startTimeUnixNano": "x"},
        {"startTimeUnixNano": None},
        {"startTimeUnixNano": float("inf")},
        {"endTimeUnixNano": 10**400},
        {"spanId": "0x00000000000001"},
        {"spanId": "1_0000000000000f"},
        {"endTimeUnixNano": "1"},
        {"traceId": "xyz"},
        {"spanId": "0" * 16},
        {"spanId": 7},
        {"attributes": None, "traceId": None},
    ],
)
def test_a_damaged_span_does_not_hide_the_others(change: dict[str, Any]):
    """A span with bad ids or times is counted, and the others are read."""
    found = analyzed(root(), {**span(2, 1, 3, 9), **change})
    assert (found["spans"]["damaged"], found["spans"]["used"]) == (1, 1)


@pytest.mark.parametrize(
    "pair",
    [
        {"key": ["db.system"], "value": {"stringValue": "a"}},
        {"key": {}, "value": {"intValue": 1}},
        {"key": "db.system", "value": {"intValue": float("inf")}},
        {"key": "db.system", "value": {"doubleValue": 10**400}},
    ],
)
def test_a_damaged_attribute_does_not_hide_its_span(pair: dict[str, Any]):
    """A span whose attributes make no sense is read without them."""
    sent = root()
    found = analyzed({**sent, "attributes": [*sent["attributes"], pair]})
    assert (found["spans"]["damaged"], found["spans"]["used"]) == (0, 1)


@pytest.mark.parametrize(
    ("body", "is_json"),
    [(b"{", True), (b"[]", True), (b'{"resourceSpans": 3}', True), (b"\xff" * 99, False)],
)
def test_garbage_is_no_message(body: bytes, is_json: bool):  # noqa: FBT001  a parameter of the test
    """Bytes that are no export request are a damaged message, and a line of the report."""
    with pytest.raises(DamagedMessage):
        list(read_message(body, is_json=is_json))
    buffer = SpanBuffer(PREFIX)
    buffer.add(Message(body, is_json=is_json))
    found = analyze(buffer, {ENDPOINT: [request(1)]}, "service")
    assert found["spans"]["damaged"] == 1
    assert found["notes"][0] == "no span of 1 sampled request arrived"


def test_protobuf_and_json_give_the_same_spans():
    """Both encodings of one message are read alike."""
    formats = pytest.importorskip("google.protobuf.json_format")
    service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    document = json.loads(
        message(
            [
                root(),
                span(2, 1, 10, 30, attributes=SELECT | {"server.port": 5}, is_error=True),
                span(3, 1, 40, 50, stacks=["first", "x" * 2 * MAX_STACK, *"abc"]),
            ]
        )
    )
    expected = list(read_message(json.dumps(document).encode(), is_json=True))
    # protobuf's own JSON has base64 where OTLP has hexadecimal digits.
    for each in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for name in ("traceId", "spanId", "parentSpanId"):
            each[name] = b64encode(bytes.fromhex(each[name])).decode()
    whole = formats.ParseDict(document, service.ExportTraceServiceRequest())
    assert list(read_message(whole.SerializeToString(), is_json=False)) == expected
    assert all(expected)
    assert expected[2] is not None
    stacks = [each.stack for each in expected[2].exceptions]
    assert stacks == ["x" * MAX_STACK, *"abc"]  # bounded, and the last ones


@pytest.mark.parametrize(("status", "count"), [(500, 2), (0, 2), (200, 0), (404, 0)])
def test_exceptions_are_those_that_left_failed_requests(status: int, count: int):
    """Of each failed request it is that of the outermost span, with the line of its stack."""
    inner = "handled, or replaced"
    buffer = SpanBuffer(PREFIX)
    spans = [
        span(1, SENDER, 2, 95, trace=1, kind="server", stacks=["a stack"]),
        span(2, 1, 10, 30, trace=1, stacks=[inner]),
        span(1, SENDER, 2, 95, trace=2, kind="server", stacks=["a stack"]),
        span(1, SENDER, 2, 95, trace=3, kind="server"),
    ]
    buffer.add(Message(message(spans), is_json=True))
    sampled = [request(number, status=status) for number in (1, 2, 3)]

    def locate(stack: str) -> CodeLine | None:
        return {"file": "app.py", "line": 7, "function": "f"} if stack == "a stack" else None

    found = analyze(buffer, {ENDPOINT: sampled}, "service", locate=locate)["exceptions"]
    assert [(each["type"], each["line"], each["traces"]) for each in found] == (
        [("KeyError", 7, count)] if count else []
    )
    assert all(each["status"] == (status or None) for each in found)
    unknown = analyze(buffer, {ENDPOINT: sampled}, "service")
    assert [each["file"] for each in unknown["exceptions"]] == [None] * (count // 2)
    whole = schema("result-1")
    assert violation(unknown, {"$ref": "#/definitions/traces", **whole}) is None


def test_a_flood_of_foreign_spans_leaves_room():
    """Requests without a trace of the run fill a small part of the memory only."""
    buffer = SpanBuffer(PREFIX)
    noise = Message(b"x" * (MAX_FOREIGN_BYTES // 4), is_json=False)
    for _ in range(10):
        buffer.add(noise)
    buffer.add(Message(message([root()]), is_json=True))
    assert (len(buffer), buffer.over_limit) == (5, 6)
    assert analyze(buffer, {ENDPOINT: [request(1)]}, "service")["traced"] == 1


def test_the_slowest_traces_are_kept_within_bounds():
    """Twenty traces with two hundred spans each, the longest ones, are kept."""
    spans = [root(trace=number) for number in range(1, 31)]
    spans += [span(10 + n, 1, 3, 3 + n / 100, trace=5, name="n") for n in range(400)]
    buffer = SpanBuffer(PREFIX)
    buffer.add(Message(message(spans), is_json=True))
    found = analyze(buffer, {ENDPOINT: [request(n, 95 + n) for n in range(1, 31)]}, "explain")
    assert [trace["trace_id"][-2:] for trace in found["kept"]] == [
        f"{n:02x}" for n in range(30, 10, -1)
    ]
    buffer = SpanBuffer(PREFIX)
    buffer.add(Message(message(spans), is_json=True))
    (kept,) = analyze(buffer, {ENDPOINT: [request(5)]}, "explain")["kept"]
    assert (len(kept["spans"]), kept["omitted_spans"]) == (200, 201)
    assert min(each["duration_ms"] for each in kept["spans"][1:]) == pytest.approx(2.01)


def test_a_request_without_a_root_uses_the_server_span():
    """A proxy that replaces the parent does not hide the service."""
    buffer = SpanBuffer(PREFIX)
    spans = [span(1, "", 2, 95, kind="server"), span(2, 1, 10, 30, attributes=SELECT)]
    buffer.add(Message(message(spans), is_json=True))
    found = analyze(buffer, {ENDPOINT: [request(1, sender=SENDER[::-1])]}, "service")
    assert parts(found)["database"] == 20
    assert BEGIN_NS > MS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "SELECT *\n FROM a1 WHERE x = 'it''s' AND y = -1.5",
            "SELECT * FROM a1 WHERE x = ? AND y = ?",
        ),
        ("SELECT 1 FROM t WHERE i IN (1, 2, 3)", "SELECT ? FROM t WHERE i IN (...)"),
        ("SELECT a FROM t WHERE i IN ($1, $2::INT)", "SELECT a FROM t WHERE i IN (...)"),
        ("SELECT t.c2 FROM t2 WHERE i = $1", "SELECT t.c2 FROM t2 WHERE i = $1"),
        ("INSERT INTO t VALUES (%s, %s)", "INSERT INTO t VALUES (...)"),
    ],
)
def test_values_of_statements_are_removed(text: str, expected: str):
    """Statements are compared without texts, numbers and the lengths of lists."""
    assert without_values(text) == expected


def test_statements_that_ask_for_locks_are_known():
    """Row locks and advisory locks are recognized."""
    assert asks_for_lock("SELECT a FROM t FOR NO KEY UPDATE")
    assert asks_for_lock("SELECT pg_advisory_xact_lock(?)")
    assert not asks_for_lock("UPDATE t SET lock = ?")
