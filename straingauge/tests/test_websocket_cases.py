"""Frames of a WebSocket server, by the list of cases of Autobahn's test suite.

https://github.com/crossbario/autobahn-testsuite
"""

import zlib
from typing import Final

import pytest
from straingauge.http import ErrorKind
from straingauge.http.websocket.deflate import Deflate
from straingauge.http.websocket.protocol import WebSocketProtocol
from wsproto.frame_protocol import FrameProtocol

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MAX_BYTES: Final = 100_000
GREEK = "κόσμε"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, bits: int = 0) -> bytes:
    """Encode a frame as a server sends it; bits are the reserved ones."""
    size = len(payload)
    length = (
        bytes([size])
        if size < 126
        else b"\x7e" + size.to_bytes(2, "big")
        if size < 65_536
        else b"\x7f" + size.to_bytes(8, "big")
    )
    return bytes([fin << 7 | bits << 4 | opcode]) + length + payload


def closing(code: int, reason: bytes = b"") -> bytes:
    """Encode a close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


def fragments(opcode: int, *parts: bytes) -> list[bytes]:
    """Encode a message in several frames."""
    last = len(parts) - 1
    return [
        frame(0 if place else opcode, part, fin=place == last) for place, part in enumerate(parts)
    ]


def play(data: bytes, step: int, *, compress: bool = False) -> tuple[WebSocketProtocol, bytes]:
    """Receive bytes in pieces; return the protocol and its answers."""
    deflate = Deflate()
    deflate.finalize(deflate.name)
    protocol = WebSocketProtocol([deflate] if compress else [], MAX_BYTES)
    answers = b"".join(
        protocol.receive(data[start : start + step], 1) for start in range(0, len(data), step)
    )
    return protocol, answers


def answered(answers: bytes) -> list[tuple[int, bytes]]:
    """Return opcode and payload of the frames of a client."""
    reader, found = FrameProtocol(client=False, extensions=[]), []
    reader.receive_bytes(answers)
    for each in reader.received_frames():
        payload = each.payload
        if int(each.opcode) == CLOSE:
            assert isinstance(payload, tuple)
            found.append((CLOSE, str(int(payload[0])).encode()))
        else:
            found.append((int(each.opcode), bytes(payload)))
    return found


WHOLE: Final = [
    *(pytest.param([frame(TEXT, b"*" * size)], ["*" * size], id=f"1.1 {size}")
      for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536)),
    *(pytest.param([frame(BINARY, b"\xfe" * size)], [b"\xfe" * size], id=f"1.2 {size}")
      for size in (0, 1, 125, 126, 127, 128, 65_535, 65_536)),
    pytest.param([frame(PONG, b"unasked")], [], id="2.7-2.8 unsolicited pong"),
    pytest.param(fragments(TEXT, b"a", b"b"), ["ab"], id="5.3"),
    pytest.param([*fragments(TEXT, b"a", b"b", b"c"), frame(TEXT, b"d")], ["abc", "d"], id="5.19"),
    pytest.param(fragments(BINARY, b"", b"", b""), [b""], id="6.1.2"),
    pytest.param(fragments(TEXT, b"", b"mid", b""), ["mid"], id="6.1.3"),
    pytest.param(fragments(TEXT, *(bytes([each]) for each in GREEK.encode())), [GREEK], id="6.2.3"),
    pytest.param([frame(TEXT, "\U0010ffff\ufffe\x00\u0080".encode())],
                 ["\U0010ffff\ufffe\x00\u0080"], id="6.6-6.23"),
]  # fmt: skip


@pytest.mark.parametrize("step", [1, 10_000_000])
@pytest.mark.parametrize(("frames", "expected"), WHOLE)
def test_valid_frames(frames: list[bytes], expected: list[str | bytes], step: int):
    """Messages of each size, in any fragments and pieces, come as they were sent."""
    protocol, answers = play(b"".join(frames), step)
    assert (answers, protocol.failure) == (b"", None)
    assert [each.data for each in protocol.messages] == expected


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe", b"\xfe" * 125])
def test_pings_between_fragments(payload: bytes, step: int):
    """A ping is answered with its payload, also between the fragments of a message."""
    first, second = fragments(TEXT, b"a", b"b")
    pings = frame(PING, payload) * 10
    protocol, answers = play(pings + first + pings + second, step)
    assert answered(answers) == [(PONG, payload)] * 20
    assert [each.data for each in protocol.messages] == ["ab"]
    assert protocol.counts["pings"] == 20


INVALID_UTF_8: Final = (
    *(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited", b"\xf4\x90\x80\x80", b"\x80", b"\xbf"),
    *(b"\xc0\x80", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xbf\xbf", b"\xfe", b"\xff"),
    *(b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"a\xc2", b"\xe2\x82"),
)
VIOLATIONS: Final = [
    pytest.param(frame(PING, b"a" * 126), 1002, id="2.5"),
    *(pytest.param(frame(TEXT, b"a", bits=bits), 1002, id=f"3.{bits}") for bits in range(1, 8)),
    pytest.param(frame(CLOSE, bits=7), 1002, id="3.7"),
    *(pytest.param(frame(opcode, b"a"), 1002, id=f"4 {opcode}")
      for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
    pytest.param(frame(PING, fin=False), 1002, id="5.1"),
    pytest.param(frame(PONG, fin=False), 1002, id="5.2"),
    pytest.param(frame(0, b"a"), 1002, id="5.9"),
    pytest.param(frame(0, b"a", fin=False), 1002, id="5.10"),
    pytest.param(frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002, id="5.18"),
    *(pytest.param(frame(TEXT, each), 1007, id=f"6 {each!r}") for each in INVALID_UTF_8),
    pytest.param(b"".join(fragments(TEXT, b"a", b"\xf4\x90", b"\x80\x80")), 1007, id="6.4.2"),
    pytest.param(frame(CLOSE, b"a"), 1002, id="7.3.2"),
    pytest.param(closing(1000, b"a" * 124), 1002, id="7.3.6"),
    pytest.param(closing(1000, b"\xce\xba\xed\xa0\x80"), 1007, id="7.5.1"),
    *(pytest.param(closing(code), 1002, id=f"7.9 {code}")
      for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)),
]  # fmt: skip


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize(("data", "code"), VIOLATIONS)
def test_violations(data: bytes, code: int, step: int):
    """A violation by a server ends the WebSocket, and the client gives its code."""
    protocol, answers = play(frame(TEXT, b"before") + data + frame(TEXT, b"after"), step)
    assert protocol.failure is not None
    assert (protocol.failure.kind, protocol.close_code) == (ErrorKind.PROTOCOL, code)
    assert answered(answers) == [(CLOSE, str(code).encode())]
    assert [each.data for each in protocol.messages] == ["before"]


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 3000, 3999, 4000, 4999])
def test_close_codes(code: int, step: int):
    """A valid close is answered with its code; nothing that follows counts."""
    data = closing(code, "über".encode()) + frame(PING) + frame(TEXT, b"a") + closing(1000)
    protocol, answers = play(data, step)
    assert protocol.failure is not None
    assert (protocol.failure.kind, protocol.close_code) == (ErrorKind.CLOSED, code)
    assert "über" in protocol.failure.detail
    assert answered(answers) == [(CLOSE, str(code).encode())]
    assert not protocol.messages


def deflated(text: bytes) -> bytes:
    """Compress a message (RFC 7692, section 7.2.1)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(
        b"\x00\x00\xff\xff"
    )


def test_compressed_messages():
    """A compressed message may have several frames, and others may be plain."""
    packed = deflated(b"hello" * 1000)
    half = len(packed) // 2
    first = frame(TEXT, packed[:half], fin=False, bits=4)
    data = first + frame(PING) + frame(0, packed[half:]) + frame(TEXT, b"plain")
    protocol, _ = play(data, 3, compress=True)
    assert [each.data for each in protocol.messages] == ["hello" * 1000, "plain"]


@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        (frame(TEXT, deflated(bytes(50_000_000)), bits=4), ErrorKind.TOO_LARGE, 1009),
        (frame(TEXT, b"\xff" * 20, bits=4), ErrorKind.PROTOCOL, 1007),
        (frame(TEXT, deflated(b"\xff"), bits=4), ErrorKind.PROTOCOL, 1007),
        (frame(PING, b"a", bits=4), ErrorKind.PROTOCOL, 1002),
        (frame(TEXT, b"a", fin=False) + frame(0, b"b", bits=4), ErrorKind.PROTOCOL, 1002),
    ],
    ids=["bomb", "no deflate", "no UTF-8", "compressed ping", "compressed continuation"],
)
def test_bad_compression(data: bytes, kind: ErrorKind, code: int):
    """A bomb and broken compression end the WebSocket with a kind and a code."""
    protocol, answers = play(data, 1000, compress=True)
    assert protocol.failure is not None
    assert (protocol.failure.kind, protocol.close_code) == (kind, code)
    assert answered(answers) == [(CLOSE, str(code).encode())]
