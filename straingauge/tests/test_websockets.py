"""WebSockets without a network: handshake, frames, matching, and what reports show."""

from typing import Any

import pytest
from sample_results import sample_result
from straingauge.http import ErrorKind, RequestFailed
from straingauge.http.websocket import Message, WebSocket
from straingauge.http.websocket.handshake import Handshake
from straingauge.http.websocket.protocol import MAX_QUEUED, WebSocketProtocol
from straingauge.journey import User
from straingauge.report.markdown import markdown
from straingauge.report.page import page
from straingauge.report.websockets import websocket_lines
from straingauge.result.format.schema import schema, violation
from stream_results import with_websocket

# The example of RFC 6455, section 1.3.
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def head(*lines: str, accept: str = ACCEPT) -> bytes:
    """A response that opens a WebSocket, with further lines."""
    start = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*start, f"Sec-WebSocket-Accept: {accept}", *lines, "", ""]).encode()


def shake(data: bytes, **options: Any) -> tuple[Handshake, RequestFailed | bytes | None]:  # noqa: ANN401
    """Answer a handshake byte by byte; return its last outcome."""
    handshake = Handshake(User(0).websocket("/ws?a=1", **options))
    handshake._key = KEY
    outcome: RequestFailed | bytes | None = None
    for number in range(len(data)):
        outcome = handshake.receive(data[number : number + 1], 1)
        if outcome is not None and number < len(data) - 1:
            break
    return handshake, outcome


def test_the_request_of_a_handshake():
    """It has what RFC 6455 demands, the user's headers, the base path and the subprotocols."""
    user = User(0)
    user.authorize("abc")
    handshake = Handshake(user.websocket("/ws?a=1", subprotocols=["a", "b"], compress=True))
    lines = handshake.request(b"example.com", "/base").decode().split("\r\n")
    assert lines[0] == "GET /base/ws?a=1 HTTP/1.1"
    assert {
        "Host: example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: a, b",
        "Authorization: Bearer abc",
    } <= set(lines)
    assert any(line.startswith("Sec-WebSocket-Extensions: permessage-deflate") for line in lines)


def test_a_message_behind_the_handshake_is_not_lost():
    """A message that the server sends with its answer is received."""
    handshake = Handshake(User(0).websocket("/ws"))
    handshake._key = KEY
    assert handshake.receive(head() + b"\x81\x02hi", 5) == b""
    assert handshake.socket is not None
    assert list(handshake.socket.protocol.messages) == [Message("hi", 5)]


@pytest.mark.parametrize(
    ("data", "kind", "detail"),
    [
        (head(accept="wrong"), ErrorKind.PROTOCOL, "Sec-WebSocket-Accept is 'wrong'"),
        (head("Sec-WebSocket-Protocol: c"), ErrorKind.PROTOCOL, "subprotocol 'c' was not offered"),
        (head("Sec-WebSocket-Extensions: x"), ErrorKind.PROTOCOL, "extension 'x' was not offered"),
        (b"HTTP/1.1 101 OK\r\n\r\n", ErrorKind.PROTOCOL, "Upgrade is ''"),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 1\r\n\r\nx", ErrorKind.RATE_LIMITED, "status 429"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", ErrorKind.BAD_STATUS, "status 200"),
        (b"220 smtp.example.com ESMTP\r\n", ErrorKind.PROTOCOL, ""),
    ],
)
def test_handshakes_that_fail(data: bytes, kind: ErrorKind, detail: str):
    """Each fault of an answer is named; a refusal has its status."""
    handshake, outcome = shake(data)
    assert handshake.socket is None
    assert isinstance(outcome, RequestFailed)
    assert outcome.kind is kind
    assert detail in outcome.detail


def test_a_head_without_an_end_is_bounded():
    """More than 64 kB of headers are a failure."""
    handshake = Handshake(User(0).websocket("/ws"))
    outcome = handshake.receive(b"HTTP/1.1 101 OK\r\nX: " + b"a" * 70_000, 1)
    assert isinstance(outcome, RequestFailed)
    assert "more than 65536 bytes of headers" in outcome.detail


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (b"\x80\x01a", ErrorKind.PROTOCOL, 1002),  # a continuation of nothing
        (b"\x83\x00", ErrorKind.PROTOCOL, 1002),  # a reserved opcode
        (b"\xc1\x01a", ErrorKind.PROTOCOL, 1002),  # a reserved bit
        (b"\x81\x81aaaaa", ErrorKind.PROTOCOL, 1002),  # masked
        (b"\x81\x02\xc3\x28", ErrorKind.PROTOCOL, 1007),  # invalid UTF-8
        (b"\x09\x00", ErrorKind.PROTOCOL, 1002),  # a fragmented ping
        (b"\x89\x7e\x00\x80" + b"a" * 128, ErrorKind.PROTOCOL, 1002),  # a long ping
        (b"\x88\x01a", ErrorKind.PROTOCOL, 1002),  # a close code of one byte
        (b"\x88\x02\x03\xed", ErrorKind.PROTOCOL, 1002),  # a reserved close code
        (b"\x82\x7f\x80" + b"\x00" * 7, ErrorKind.PROTOCOL, 1002),  # a negative length
        (b"\x82\x7e\x07\xd1" + b"a" * 2001, ErrorKind.TOO_LARGE, 1009),
        (b"\x02\x7e\x03\xe8" + b"a" * 1000 + b"\x80\x01a", ErrorKind.TOO_LARGE, 1009),
        (b"\x88\x02\x03\xe8", ErrorKind.CLOSED, 1000),
        (b"\x88\x00", ErrorKind.CLOSED, 1005),
        (b"", ErrorKind.RESET, 1006),
        (ConnectionResetError("reset"), ErrorKind.RESET, 1006),
    ],
)
@pytest.mark.parametrize("step", [1, 10_000])
def test_what_ends_a_websocket(data: bytes | Exception, kind: ErrorKind, code: int, step: int):
    """Violations, large messages, and each way to close have a kind, a code and an answer."""
    protocol = WebSocketProtocol([], 1000)
    answered = b""
    if isinstance(data, bytes) and data:
        for start in range(0, len(data), step):
            answered += protocol.receive(data[start : start + step], 1)
        assert answered[:1] == b"\x88"  # a close frame
    else:
        protocol.receive(data, 1)
    assert protocol.failure is not None
    assert (protocol.failure.kind, protocol.close_code) == (kind, code)
    with pytest.raises(RequestFailed):
        protocol.send("more")
    assert protocol.receive(b"\x81\x02hi", 2) == b""
    assert not protocol.messages


def test_the_inbox_is_bounded():
    """Messages that no journey receives are dropped, the oldest first, and counted."""
    protocol = WebSocketProtocol([], 1000)
    protocol.receive(b"\x81\x01a" + b"\x81\x01b" * MAX_QUEUED, 1)
    assert len(protocol.messages) == MAX_QUEUED
    assert protocol.messages[0].data == "b"
    assert protocol.counts["dropped"] == 1


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (None, "text"),
        ({"id": 2}, '{"id": 2, "a": null}'),
        ({"id": 2, "a": None}, '{"id": 2, "a": null}'),
        ({"b": None}, None),
        ("ex", "text"),
        ("bin", b"binary"),
        (lambda message: message.data == "[2]", "[2]"),
    ],
)
def test_matching(match: Any, expected: object):  # noqa: ANN401  every kind of match
    """The first message that matches is taken, and the others stay."""
    protocol = WebSocketProtocol([], 1000)
    socket = WebSocket("WS /ws", protocol, None)
    protocol.messages.extend(map(Message, ["text", "[2]", '{"id": 2, "a": null}', b"binary"]))
    found = socket.receive(match=match).take()
    assert (found and found.data) == expected
    assert len(protocol.messages) == (4 if expected is None else 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda user, _: user.websocket("ws"), 'a path begins with "/"'),
        (lambda user, _: user.websocket("/ws", subprotocols=["a b"]), "'a b' is no name"),
        (lambda user, _: user.websocket("/ws", max_message_bytes=0), "must be more than 0"),
        (lambda user, _: user.websocket("/ws", json={}), "has no body"),
        (lambda _, socket: socket.send({"id": 1}), "a message is text or bytes"),
        (lambda _, socket: socket.receive(timeout_s=0), "timeout_s must be more than 0"),
        (lambda _, socket: socket.close(1006), "a close code is 1000 or from 3000 to 4999"),
    ],
)
def test_steps_that_cannot_be_made(make: Any, message: str):  # noqa: ANN401  functions of two things
    """A wrong argument is an error where the step is made."""
    with pytest.raises(ValueError, match=message):
        make(User(0), WebSocket("WS /ws", WebSocketProtocol([], 1000), None))


def test_reports_show_websockets():
    """Texts have a line for each endpoint with WebSockets, and the page a section."""
    result = with_websocket(sample_result())
    assert violation(result, schema("result-1")) is None
    (line,) = websocket_lines(result)
    assert line == "GET /items: 1 WebSocket; 1 sent, 1 received; closed with 1006 x 1"
    assert line in markdown([result])
    assert 'id="r0-websockets"' in page([result])
