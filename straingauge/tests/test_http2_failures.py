"""HTTP/2 without a socket: each way in which an exchange or a connection can fail."""

from collections.abc import Callable

import pytest
from h2.errors import ErrorCodes
from http2_wire import Wire, failure, response
from hyperframe.frame import GoAwayFrame, HeadersFrame
from straingauge.http import ErrorKind, Request
from straingauge.http.exchange import STALE
from straingauge.http.http2.session import Http2Session


def goaway(last_id: int, code: ErrorCodes = ErrorCodes.NO_ERROR, said: bytes = b"") -> bytes:
    """Return a GOAWAY frame."""
    frame = GoAwayFrame(0, last_stream_id=last_id, error_code=code, additional_data=said)
    return frame.serialize()


def test_a_stream_that_the_server_resets_fails_alone():
    """Its failure names the code, and the other request on the connection gets its response."""
    wire = Wire()
    first, second = wire.begin(), wire.begin()
    wire.peer.h2.reset_stream(first.stream_id, ErrorCodes.INTERNAL_ERROR)
    wire.peer.answer(second.stream_id)
    assert wire.pass_on() == [first, second]
    found = failure(first.outcome)
    assert (found.kind, "INTERNAL_ERROR" in found.detail) == (ErrorKind.STREAM_RESET, True)
    assert response(second.outcome).status == 200


def test_a_refused_request_is_sent_again_once():
    """Even a POST: the server has not processed it; a second refusal is a failure."""
    wire = Wire()
    exchange = wire.begin(Request("POST", "/x", "x", body=b"abc"))
    wire.peer.h2.reset_stream(1, ErrorCodes.REFUSED_STREAM)
    assert wire.pass_on() == []
    assert [(each.stream_id, each.body) for each in wire.peer.complete] == [
        (1, b"abc"),
        (3, b"abc"),
    ]
    wire.peer.h2.reset_stream(3, ErrorCodes.REFUSED_STREAM)
    assert wire.pass_on() == [exchange]
    assert failure(exchange.outcome).kind is ErrorKind.STREAM_REFUSED


def test_a_server_that_wants_http1_is_named():
    """HTTP_1_1_REQUIRED has the kind of servers that do not speak HTTP/2."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.h2.reset_stream(1, ErrorCodes.HTTP_1_1_REQUIRED)
    wire.pass_on()
    assert failure(exchange.outcome).kind is ErrorKind.NO_HTTP2


def test_a_goodbye_lets_read_requests_end():
    """After GOAWAY, requests that the server has read get responses; others are sent elsewhere."""
    wire = Wire()
    wire.exchange()
    read, unread = wire.begin(), wire.begin(Request("POST", "/x", "x"))
    wire.receive(goaway(read.stream_id))
    assert (wire.session.take_ended(), unread.outcome, read.outcome) == ([unread], STALE, None)
    assert not wire.session.is_usable
    wire.peer.answer(read.stream_id)
    assert wire.pass_on() == [read]
    assert response(read.outcome).status == 200


@pytest.mark.parametrize("then", [b"", ConnectionResetError("reset by peer")])
def test_a_goodbye_without_a_response_is_a_failure(then: bytes | Exception):
    """Its detail has the code, and what the server says."""
    wire = Wire()
    exchange = wire.begin()
    wire.receive(goaway(1, ErrorCodes.ENHANCE_YOUR_CALM, b"too many pings"))
    wire.session.receive(then, 9_000)
    found = failure(exchange.outcome)
    assert found.kind is ErrorKind.GOAWAY
    assert "ENHANCE_YOUR_CALM, 'too many pings'" in found.detail


def test_a_server_that_reads_no_request_is_not_asked_forever():
    """GOAWAY in answer to a connection's first request is a failure, not a reason to repeat it."""
    wire = Wire()
    exchange = wire.begin()
    wire.receive(goaway(0))
    assert failure(exchange.outcome).kind is ErrorKind.GOAWAY


@pytest.mark.parametrize(("method", "is_stale"), [("GET", True), ("POST", False)])
def test_a_kept_connection_that_was_closed_before_is_stale(method: str, *, is_stale: bool):
    """As over HTTP/1.1, a request that may be repeated is sent again on a new connection."""
    wire = Wire()
    wire.exchange()
    exchange = wire.begin(Request(method, "/x", "x"))
    wire.session.receive(b"", wire.now_ns + 5)
    assert (exchange.outcome is STALE) == is_stale
    assert is_stale or failure(exchange.outcome).kind is ErrorKind.RESET


def test_an_end_within_a_response_is_a_short_body():
    """No response of HTTP/2 ends with its connection."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.h2.send_headers(1, [(":status", "200")])
    wire.peer.h2.send_data(1, b"abc")
    wire.pass_on()
    wire.session.receive(b"", 9_000)
    found = failure(exchange.outcome)
    assert (found.kind, "3 bytes" in found.detail) == (ErrorKind.SHORT_BODY, True)


def test_a_response_shorter_than_announced_is_a_short_body():
    """The stream's end does not make up for missing bytes."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.h2.send_headers(1, [(":status", "200"), ("content-length", "10")])
    wire.peer.h2.send_data(1, b"abc", end_stream=True)
    wire.pass_on()
    found = failure(exchange.outcome)
    assert (found.kind, "3 of 10" in found.detail) == (ErrorKind.SHORT_BODY, True)


def headers_frame(*fields: tuple[str, str]) -> Callable[[Wire], bytes]:
    """Return bytes of a response's head with these fields."""

    def made(wire: Wire) -> bytes:
        block = wire.peer.h2.encoder.encode(fields)
        frame = HeadersFrame(1, block, flags=["END_HEADERS", "END_STREAM"])
        return frame.serialize()

    return made


def bomb(wire: Wire) -> bytes:
    """A head of a few bytes that stands for a megabyte, by references to one long field."""
    encoder = wire.peer.h2.encoder
    block = encoder.encode([(":status", "200"), ("x-long", "z" * 3_000)])
    block += encoder.encode([("x-long", "z" * 3_000)] * 400)
    return HeadersFrame(1, block, flags=["END_HEADERS", "END_STREAM"]).serialize()


@pytest.mark.parametrize(
    "violation",
    [
        bomb,
        headers_frame(("x-no-status", "1")),
        headers_frame((":status", "200"), ("X-Upper", "1")),
        headers_frame((":status", "200"), ("connection", "close")),
        headers_frame((":status", "2x0")),
        lambda _: b"\xff\xff\xff\0\0\0\0\0\x01",
        lambda _: b"\0\0\x04\x08\0\0\0\0\0\0\0\0\0",
        lambda _: b"\0\0\x01\x07\0\0\0\0\0\0",
        lambda _: b"\0\0\x01\x01\x04\0\0\0\x01\xff",
    ],
    ids=[
        "bomb",
        "status",
        "case",
        "connection",
        "digits",
        "long",
        "zero",
        "short",
        "hpack",
    ],
)
def test_a_violation_is_an_error_of_the_protocol(violation: Callable[[Wire], bytes]):
    """The connection is not used further, and a response that was complete before is not lost."""
    wire = Wire()
    first = wire.begin()
    wire.peer.answer(wire.peer.complete.pop().stream_id)
    wire.pass_on()
    assert response(first.outcome).status == 200
    wire = Wire()
    exchange = wire.begin()
    other = wire.begin()
    wire.peer.answer(other.stream_id)
    wire.receive(wire.peer.take() + violation(wire))
    assert failure(exchange.outcome).kind is ErrorKind.PROTOCOL
    assert response(other.outcome).status == 200


@pytest.mark.parametrize(
    ("says", "message"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the server speaks HTTP/1.1, not HTTP/2"),
        (b"H", "not HTTP/2"),
        (b"<!DOCTYPE HTML>\r\n", "the server sent b'<!DOCTYPE HTML>"),
        (b"-ERR unknown command 'PRI'\r\n", 'the server sent b"-ERR unknown'),
        (b"\x15\x03\x01\0\x02\x02\x46", "not HTTP/2"),
    ],
    ids=["http1", "byte", "html", "redis", "tls"],
)
def test_a_server_of_http1_is_named(says: bytes, message: str):
    """Bytes of another protocol in answer to the first request have their own kind."""
    session = Http2Session("http")
    exchange = session.begin(Request("GET", "/x", "GET /x"), b"h", b"", 1)
    session.receive(says, 9_000)
    assert failure(exchange.outcome).kind is ErrorKind.NO_HTTP2
    assert message in failure(exchange.outcome).detail


def test_a_request_that_is_given_up_is_reset_and_the_connection_stays():
    """A late response is ignored."""
    wire = Wire()
    late = wire.begin()
    wire.session.cancel(late)
    wire.pass_on()
    assert wire.peer.resets == {1: ErrorCodes.CANCEL}
    assert wire.session.is_usable
    assert response(wire.exchange().outcome).status == 200


def test_a_server_that_is_gone_loses_its_connection():
    """If nothing was received between two requests that were given up, the connection ends."""
    wire = Wire()
    wire.exchange()
    for is_usable in (True, False):
        silent = wire.session.begin(Request("GET", "/x", "x"), b"h", b"", 1)
        wire.session.cancel(silent)
        assert wire.session.is_usable == is_usable
