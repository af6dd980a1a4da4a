"""The exchange: every way in which one can end, without a socket."""

from pathlib import Path

import pytest
from straingauge.http import ErrorKind, FilePart, Request, RequestFailed, Response, Upload
from straingauge.http.exchange import STALE, Exchange, Received

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nall of it"
RESET = ConnectionResetError("reset by peer")


def begun(method: str = "GET", *, is_first: bool = True) -> Exchange:
    """Begin an exchange: the first one of its connection, or one after a response."""
    exchange = Exchange()
    if not is_first:
        exchange.begin(Request("GET", "/", "GET /"), b"host")
        assert isinstance(exchange.receive(OK, 1), Response)
    exchange.begin(Request(method, "/", f"{method} /"), b"host")
    return exchange


@pytest.mark.parametrize("pieces", [[OK], [OK[:7], OK[7:30], OK[30:]]])
def test_a_response_is_complete_with_its_last_byte(pieces: list[bytes]):
    """Its first byte's instant is kept, and the connection can be used again."""
    exchange = begun()
    outcomes = [exchange.receive(piece, at_ns) for at_ns, piece in enumerate(pieces, 5)]
    assert outcomes[:-1] == [None] * (len(pieces) - 1)
    response = outcomes[-1]
    assert isinstance(response, Response)
    assert (response.status, response.body, exchange.first_byte_ns) == (200, b"{}", 5)
    assert exchange.keep_alive
    assert exchange.request is None


def test_a_response_may_end_with_the_connection():
    """Without a length, the end of the connection is the end of the body."""
    exchange = begun()
    assert exchange.receive(UNTIL_CLOSE, 5) is None
    response = exchange.receive(b"", 6)
    assert isinstance(response, Response)
    assert response.body == b"all of it"
    assert not exchange.keep_alive


@pytest.mark.parametrize("end", [b"", RESET])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_a_kept_connection_that_was_closed_before_is_stale(method: str, end: Received):
    """A request that may be repeated is sent again on a new connection."""
    assert begun(method, is_first=False).receive(end, 9) is STALE


@pytest.mark.parametrize(("method", "is_first"), [("POST", False), ("PATCH", False), ("GET", True)])
def test_a_request_that_may_not_be_repeated_fails(method: str, *, is_first: bool):
    """Neither a method that is not idempotent nor a new connection's first request is repeated."""
    for end, how in ((b"", "closed"), (RESET, "reset")):
        failure = begun(method, is_first=is_first).receive(end, 9)
        assert isinstance(failure, RequestFailed)
        assert failure.kind == ErrorKind.RESET
        assert failure.detail == f"the connection was {how} without a response"


@pytest.mark.parametrize(
    ("received", "kind", "detail"),
    [
        ([HALF, b""], ErrorKind.SHORT_BODY, "the connection closed after 2 bytes of the body"),
        ([HALF[:9], b""], ErrorKind.SHORT_BODY, "the connection closed within the response's head"),
        ([HALF, RESET], ErrorKind.RESET, "within the response: reset by peer"),
        ([b"SSH-2.0\r\n"], ErrorKind.PROTOCOL, ""),
    ],
)
def test_an_incomplete_response_is_a_failure(received: list[Received], kind: str, detail: str):
    """After the first byte a request is never repeated, though its method would allow it."""
    exchange = begun(is_first=False)
    *before, last = [exchange.receive(each, 9) for each in received]
    assert before == [None] * len(before)
    assert isinstance(last, RequestFailed)
    assert last.kind == kind
    assert detail in last.detail
    assert not exchange.keep_alive
    assert exchange.request is None


SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("method", "idle_s", "waited_s", "kind"),
    [
        ("POST", 2.0, 0.001, ErrorKind.IDLE_CLOSED),
        ("PATCH", 5.0, 0.0, ErrorKind.IDLE_CLOSED),
        ("POST", 0.3, 0.001, ErrorKind.RESET),
        ("POST", 2.0, 1.5, ErrorKind.RESET),
    ],
)
@pytest.mark.parametrize("end", [b"", RESET])
def test_a_request_that_crosses_the_end_of_an_idle_connection_is_told_apart(
    method: str, idle_s: float, waited_s: float, kind: ErrorKind, end: Received
):
    """Connections that break while busy, or after the server had the request, are resets."""
    exchange = begun(method, is_first=False)
    exchange.sent_ns = exchange.idle_since_ns + round(idle_s * SECOND)
    failure = exchange.receive(end, exchange.sent_ns + round(waited_s * SECOND))
    assert isinstance(failure, RequestFailed)
    assert failure.kind is kind
    assert (f"idle for {idle_s:.2f} s" in failure.detail) == (kind is ErrorKind.IDLE_CLOSED)


@pytest.mark.parametrize("header", ["Connection", "connection"])
@pytest.mark.parametrize("value", ["close", "Close", "TE, close"])
def test_a_request_may_close_its_connection(header: str, value: str):
    """After `Connection: close` the server may close without a word: no request follows there."""
    exchange = Exchange()
    exchange.begin(Request("GET", "/", "GET /", headers={header: value}), b"host")
    assert isinstance(exchange.receive(OK, 1), Response)
    assert not exchange.keep_alive


def test_an_upload_is_read_piece_by_piece():
    """An upload has no whole request; the first piece begins with its head."""
    exchange = Exchange()
    upload = Upload({}, {"file": FilePart(bytes(600_000))})
    assert exchange.begin(Request("POST", "/", "POST /", body=upload), b"host") is None
    pieces = []
    while exchange.is_uploading:
        pieces.append(exchange.next_chunk())
    assert len(pieces) > 1
    head, _, body = b"".join(pieces).partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\nHost: host\r\n")
    assert len(body) == upload.length
    assert isinstance(exchange.receive(OK, 9), Response)
    assert exchange.keep_alive


def test_a_response_before_the_end_of_an_upload_ends_the_connection():
    """The rest of the upload must not come before the next request."""
    exchange = Exchange()
    upload = Upload({}, {"file": FilePart(bytes(600_000))})
    exchange.begin(Request("POST", "/", "POST /", body=upload), b"host")
    exchange.next_chunk()
    assert isinstance(exchange.receive(OK, 9), Response)
    assert not exchange.keep_alive


def test_an_upload_whose_file_is_gone_fails(tmp_path: Path):
    """The failure is the journey's, and the connection is not used again."""
    path = tmp_path / "upload.bin"
    path.write_bytes(bytes(600_000))
    upload = Upload({}, {"file": FilePart(path)})
    path.unlink()
    exchange = Exchange()
    exchange.begin(Request("POST", "/", "POST /", body=upload), b"host")
    with pytest.raises(RequestFailed, match="the upload's file: ") as raised:
        exchange.next_chunk()
    assert raised.value.kind == ErrorKind.JOURNEY_ERROR
    assert exchange.receive(raised.value, 9) is raised.value
    assert not exchange.keep_alive
