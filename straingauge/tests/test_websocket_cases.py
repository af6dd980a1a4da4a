"""Frames of a WebSocket server, by the list of cases of Autobahn's test suite.

https://github.com/crossbario/autobahn-testsuite
"""

import zlib
from typing import Final

import pytest
from straingauge.http import ErrorKind
from straingauge.http.websocket.deflate import Deflate
from straingauge.http.websocket.protocol import WebSocketProtocol
from websocket_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    VIOLATIONS,
    answered,
    closing,
    fragments,
    frame,
)

MAX_BYTES: Final = 100_000
GREEK: Final = "κόσμε"


def play(data: bytes, step: int, *, compress: bool = False) -> tuple[WebSocketProtocol, bytes]:
    """Receive bytes in pieces; return the protocol and its answers."""
    deflate = Deflate()
    deflate.finalize(deflate.name)
    protocol = WebSocketProtocol([deflate] if compress else [], MAX_BYTES)
    answers = b"".join(
        protocol.receive(data[start : start + step], 1) for start in range(0, len(data), step)
    )
    return protocol, answers


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


@pytest.mark.parametrize("step", [1, 10_000])
@pytest.mark.parametrize(
    ("data", "code"),
    [(frame(CLOSE), 1005), (closing(1000, b"a" * 123), 1000), (closing(1000) * 2, 1000)],
    ids=["7.3.1", "7.3.5", "7.1.2"],
)
def test_forms_of_a_close(data: bytes, code: int, step: int):
    """A close without a code, with the longest reason, or sent twice is no violation."""
    begun = frame(TEXT, b"a", fin=False)  # 7.1.5: within a message, which never ends then
    protocol, answers = play(begun + data + frame(0, b"b"), step)
    assert protocol.failure is not None
    assert (protocol.failure.kind, protocol.close_code) == (ErrorKind.CLOSED, code)
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


def test_empty_fragments_take_no_memory():
    """A server may send any number of empty fragments: nothing is kept of them."""
    protocol, _ = play(frame(TEXT, b"a", fin=False) + frame(0, fin=False) * 1000, 1000)
    assert protocol._parts == ["a"]
    protocol.receive(frame(0, b"b"), 1)
    assert [each.data for each in protocol.messages] == ["ab"]
