"""HTTP/2 without a socket: requests, responses, and each way in which an exchange can end."""

from pathlib import Path

import pytest
from h2.errors import ErrorCodes
from http2_peer import Http2Peer
from http2_wire import Wire, failure, response
from straingauge.http import ErrorKind, FilePart, Request, Stream, Upload
from straingauge.http.http2.session import Http2Session

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
