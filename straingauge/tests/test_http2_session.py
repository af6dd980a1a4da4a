"""HTTP/2 without a socket: requests, responses, and each way in which an exchange can end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from http2_peer import Http2Peer
from hyperframe.frame import GoAwayFrame, HeadersFrame
from straingauge.http import ErrorKind, FilePart, Request, RequestFailed, Response, Stream, Upload
from straingauge.http.exchange import STALE, Outcome
from straingauge.http.http2.exchange import Http2Exchange
from straingauge.http.http2.session import Http2Session


class Wire:
    """A client's session and a server's end, which exchange bytes when `pass_on` is called."""

    def __init__(self, session: Http2Session | None = None, peer: Http2Peer | None = None) -> None:
        self.session = session or Http2Session("http")
        self.peer = peer or Http2Peer()
        self.now_ns = 1_000

    def begin(self, request: Request | None = None, host: bytes = b"h:1") -> Http2Exchange:
        """Begin an exchange, and let the server see its request."""
        request = request or Request("GET", "/x", "GET /x")
        exchange = self.session.begin(request, host, b"", self.now_ns)
        self.pass_on()
        return exchange

    def pass_on(self) -> list[Http2Exchange]:
        """Pass bytes on until both sides are silent; return the exchanges that have ended."""
        ended: list[Http2Exchange] = []
        while True:
            self.session.send_content(self.now_ns)
            sent = self.session.take_data()
            if sent:
                self.peer.feed(sent)
            received = self.peer.take()
            if received:
                self.receive(received)
            ended += self.session.take_ended()
            if not sent and not received:
                return ended

    def receive(self, data: bytes) -> None:
        """Let the client receive bytes, each time at another instant."""
        self.now_ns += 1_000
        self.session.receive(data, self.now_ns)

    def exchange(self) -> Http2Exchange:
        """Complete a whole exchange."""
        exchange = self.begin()
        self.peer.answer(self.peer.complete.pop().stream_id)
        assert self.pass_on() == [exchange]
        return exchange


def failure(outcome: Outcome | None) -> RequestFailed:
    """Require a failure."""
    assert isinstance(outcome, RequestFailed)
    return outcome


def response(outcome: Outcome | None) -> Response:
    """Require a response."""
    assert isinstance(outcome, Response)
    return outcome


def goaway(last_id: int, code: ErrorCodes = ErrorCodes.NO_ERROR, said: bytes = b"") -> bytes:
    """Return a GOAWAY frame."""
    frame = GoAwayFrame(0, last_stream_id=last_id, error_code=code, additional_data=said)
    return frame.serialize()


# Requests.


def test_a_request_has_the_fields_of_http2():
    """The host is the authority, names are in lower case, and none concerns the connection."""
    wire = Wire(Http2Session("http", "/api"))
    headers = {"X-Tenant": "acme", "Connection": "keep-alive", "TE": "gzip"}
    wire.begin(
        Request("GET", "/x?q=1", "GET /x", headers=headers), b"api.example:8000\r\nCookie: a=1"
    )
    assert dict(wire.peer.complete[0].fields) == {
        ":method": "GET",
        ":scheme": "http",
        ":authority": "api.example:8000",
        ":path": "/api/x?q=1",
        "cookie": "a=1",
        "user-agent": "straingauge",
        "accept": "*/*",
        "x-tenant": "acme",
    }


def test_a_request_from_the_root_has_no_base_path():
    """A base path precedes only the paths of requests below it."""
    wire = Wire(Http2Session("https", "/api"))
    wire.begin(Request("GET", "/x", "GET /x", from_root=True))
    assert (wire.peer.complete[0][":path"], wire.peer.complete[0][":scheme"]) == ("/x", "https")


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 200_000])
def test_a_body_is_sent_as_the_server_reads_it(body: bytes):
    """A body larger than the server's window is sent in pieces, whole."""
    wire = Wire()
    exchange = wire.begin(Request("POST", "/x", "POST /x", body=body))
    seen = wire.peer.complete[0]
    assert (seen.body, seen["content-length"]) == (body, str(len(body)))
    assert exchange.uploaded_ns


def test_an_upload_is_read_from_its_file_in_pieces(tmp_path: Path):
    """The pieces of a multipart body have the announced length."""
    file = tmp_path / "a.bin"
    file.write_bytes(b"y" * 700_000)
    wire = Wire()
    wire.begin(Request("POST", "/x", "POST /x", body=Upload({"a": "1"}, {"f": FilePart(file)})))
    seen = wire.peer.complete[0]
    assert len(seen.body) == int(seen["content-length"]) > 700_000
    assert seen["content-type"].startswith("multipart/form-data")


def test_an_upload_that_cannot_be_read_fails_alone(tmp_path: Path):
    """A file that became shorter is the journey's error; its stream is reset."""
    file = tmp_path / "a.bin"
    file.write_bytes(b"y" * 700_000)
    upload = Upload({}, {"f": FilePart(file)})
    file.write_bytes(b"y")
    wire = Wire()
    exchange = wire.session.begin(Request("POST", "/x", "POST /x", body=upload), b"h", b"", 1)
    assert wire.pass_on() == [exchange]
    assert failure(exchange.outcome).kind is ErrorKind.JOURNEY_ERROR
    assert wire.peer.resets == {1: ErrorCodes.CANCEL}
    assert response(wire.exchange().outcome).status == 200


def test_a_server_that_does_not_read_holds_a_body_back():
    """No more is sent than flow control allows, and the request counts as not sent whole."""
    wire = Wire(peer=Http2Peer(window_bytes=10))
    wire.exchange()
    wire.peer.reads = False
    exchange = wire.begin(Request("POST", "/x", "POST /x", body=b"x" * 100))
    assert (exchange.body.left_bytes, exchange.uploaded_ns, wire.peer.complete) == (90, 0, [])


def test_requests_wait_until_the_server_allows_their_streams():
    """With one stream at most, the second request is sent after the first response."""
    wire = Wire(peer=Http2Peer(max_streams=1))
    wire.exchange()
    first, second = wire.begin(), wire.begin()
    assert [each.stream_id for each in wire.peer.complete] == [first.stream_id]
    wire.peer.answer(wire.peer.complete.pop().stream_id)
    assert wire.pass_on() == [first]
    wire.peer.answer(wire.peer.complete.pop().stream_id)
    assert wire.pass_on() == [second]


# Responses.


def test_a_response_has_its_status_headers_and_body():
    """The first byte is that of its head, and repeated headers are kept."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.h2.send_headers(1, [(":status", "201"), ("set-cookie", "a=1"), ("set-cookie", "b=2")])
    wire.pass_on()
    assert (exchange.first_byte_ns, exchange.outcome) == (wire.now_ns, None)
    began_ns = exchange.first_byte_ns
    wire.peer.h2.send_data(1, b'{"a":', end_stream=False)
    wire.pass_on()
    wire.peer.h2.send_data(1, b"1}", end_stream=True)
    assert wire.pass_on() == [exchange]
    found = response(exchange.outcome)
    assert (found.status, found.json(), found.headers["set-cookie"]) == (201, {"a": 1}, "a=1, b=2")
    assert exchange.first_byte_ns == began_ns < wire.now_ns


def test_a_response_may_come_in_any_pieces():
    """Bytes that arrive one by one are a response as well."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.answer(1)
    for byte in wire.peer.take():
        wire.receive(bytes([byte]))
    assert response(exchange.outcome).body == b"{}"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_a_response_without_a_body_is_complete_with_its_head(method: str, status: int):
    """Not even an announced length is waited for."""
    wire = Wire()
    exchange = wire.begin(Request(method, "/x", "x"))
    wire.peer.h2.send_headers(1, [(":status", str(status))], end_stream=True)
    wire.pass_on()
    assert response(exchange.outcome).status == status


def test_an_interim_response_precedes_the_response():
    """103 begins the response; its status is that of the last head; trailers are ignored."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.h2.send_headers(1, [(":status", "103"), ("link", "x")])
    wire.pass_on()
    began_ns = exchange.first_byte_ns
    wire.peer.h2.send_headers(1, [(":status", "200")])
    wire.peer.h2.send_data(1, b"{}")
    wire.peer.h2.send_headers(1, [("x-checksum", "1")], end_stream=True)
    wire.pass_on()
    found = response(exchange.outcome)
    assert (found.status, found.body, exchange.first_byte_ns) == (200, b"{}", began_ns)
    assert list(found.headers) == []


def test_a_large_response_is_not_held_up_by_the_windows():
    """The client gives the windows back as it reads."""
    wire = Wire()
    exchange = wire.begin()
    wire.peer.h2.send_headers(1, [(":status", "200")])
    left = 6_000_000
    while left:
        piece = min(left, 16_384, wire.peer.h2.local_flow_control_window(1))
        if not piece:
            wire.pass_on()
            assert wire.peer.h2.local_flow_control_window(1)
            continue
        left -= piece
        wire.peer.h2.send_data(1, b"z" * piece, end_stream=not left)
    wire.pass_on()
    assert len(response(exchange.outcome).body) == 6_000_000


def test_a_response_before_the_end_of_the_upload_ends_the_upload():
    """The rest is not sent, and the connection can be used further."""
    wire = Wire(peer=Http2Peer(window_bytes=10))
    wire.exchange()
    wire.peer.reads = False
    exchange = wire.begin(Request("POST", "/x", "x", body=b"x" * 100))
    wire.peer.answer(3, status=413)
    assert wire.pass_on() == [exchange]
    assert (response(exchange.outcome).status, wire.peer.resets) == (413, {3: ErrorCodes.CANCEL})
    assert response(wire.exchange().outcome).status == 200


def test_events_of_a_stream_come_with_their_frames():
    """A stream that has had its last event is reset, and the connection can be used further."""
    wire = Wire()
    request = Request("GET", "/x", "x", stream=Stream(max_events=2))
    exchange = wire.begin(request)
    wire.peer.h2.send_headers(1, [(":status", "200"), ("content-type", "text/event-stream")])
    wire.peer.h2.send_data(1, b"data: 1\n\n")
    wire.pass_on()
    assert exchange.stream is not None
    assert exchange.stream.stream is not None
    assert exchange.stream.stream.events == 1
    wire.peer.h2.send_data(1, b"data: 2\n\n")
    assert wire.pass_on() == [exchange]
    assert response(exchange.outcome).status == 200
    assert wire.peer.resets == {1: ErrorCodes.CANCEL}
    assert response(wire.exchange().outcome).status == 200


# The server ends a stream, or the connection.


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


# The server breaks the rules.


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


def test_a_server_of_http1_is_named():
    """A response of HTTP/1.1 to the first bytes of HTTP/2 has its own kind."""
    session = Http2Session("http")
    exchange = session.begin(Request("GET", "/x", "GET /x"), b"h", b"", 1)
    session.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n", 9_000)
    assert failure(exchange.outcome).kind is ErrorKind.NO_HTTP2


# The client gives up.


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
