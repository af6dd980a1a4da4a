"""Received bytes, cut into frames."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from h2.exceptions import FrameTooLargeError

GOAWAY: Final = 7
FRAME_HEADER_BYTES: Final = 9
_STREAM_ID_MASK: Final = 2**31 - 1  # the first bit is reserved
_MAX_PAYLOAD_BYTES: Final = 16_384  # the default of SETTINGS_MAX_FRAME_SIZE


class Frame(NamedTuple):
    """One frame (RFC 9113, section 4.1)."""

    kind: int
    stream_id: int
    data: bytes


class FrameSplitter:
    """Cuts received bytes into frames.

    `h2` raises an error for a whole piece of received bytes, and forgets the events of the frames
    before the wrong one. Given frame by frame, no response that was complete is lost.
    """

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete.

        Raises:
            FrameTooLargeError: One is longer than allowed.
        """
        data, at = self._rest + data if self._rest else data, 0
        try:
            while len(data) - at >= FRAME_HEADER_BYTES:
                payload_bytes = int.from_bytes(data[at : at + 3], "big")
                end = at + FRAME_HEADER_BYTES + payload_bytes
                if payload_bytes > _MAX_PAYLOAD_BYTES:
                    raise FrameTooLargeError(f"a frame of {payload_bytes} bytes")
                if end > len(data):
                    break
                frame, start = data[at:end], at
                at = end
                stream_id = int.from_bytes(data[start + 5 : start + 9], "big") & _STREAM_ID_MASK
                yield Frame(frame[3], stream_id, frame)
        finally:
            self._rest = data[at:]
