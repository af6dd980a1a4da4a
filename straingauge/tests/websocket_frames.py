"""Frames of a WebSocket server, and the violations of RFC 6455 that one can commit."""

from typing import Final

import pytest
from wsproto.frame_protocol import FrameProtocol

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


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
            assert isinstance(payload, bytes | bytearray)
            found.append((int(each.opcode), bytes(payload)))
    return found


INVALID_UTF_8: Final = (
    *(b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited", b"\xf4\x90\x80\x80", b"\x80", b"\xbf"),
    *(b"\xc0\x80", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xbf\xbf", b"\xfe", b"\xff"),
    *(b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"a\xc2", b"\xe2\x82"),
)
VIOLATIONS: Final = [
    pytest.param(frame(PING, b"a" * 126), 1002, id="2.5"),
    pytest.param(b"\x81\x81mask" + bytes([ord("a") ^ ord("m")]), 1002, id="masked"),
    pytest.param(b"\x81\x7e\x00\x7da", 1002, id="length in 2 bytes"),
    pytest.param(b"\x81\x7f" + bytes(6) + b"\xff\xffa", 1002, id="length in 8 bytes"),
    pytest.param(b"\x81\x7f\x80" + bytes(7), 1002, id="length of 64 bits"),
    *(pytest.param(frame(TEXT, b"a", bits=bits), 1002, id=f"3.{bits}") for bits in range(1, 8)),
    pytest.param(frame(BINARY, b"a", bits=5), 1002, id="3.5 binary"),
    pytest.param(frame(PING, b"a", bits=6), 1002, id="3.6 ping"),
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
