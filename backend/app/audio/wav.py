"""Header of a WAV file, checked before anything trusts its numbers.

The layout follows the Microsoft RIFF specification (1991), WAVE_FORMAT_EXTENSIBLE (2001) and, for
RF64 and BW64, EBU Tech 3306 and ITU-R BS.2088.
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

MAX_CHANNELS = 8
"""7.1 surround, the widest layout of common recorders; a microphone for each person needs fewer."""
MIN_RATE_HZ, MAX_RATE_HZ = 8_000, 192_000
"""From telephones to the fastest common audio interfaces."""
MAX_SAMPLE_BYTES = 4
ALLOWED = (
    f"at most {MAX_CHANNELS} channels, {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz and"
    f" {8 * MAX_SAMPLE_BYTES} bits per sample"
)

PCM = 1
_LINEAR = {PCM, 3, 6, 7}  # PCM, float, A-law and mu-law have frames of a fixed size
_EXTENSIBLE = 0xFFFE
_SUBFORMAT_SUFFIX = bytes.fromhex("000000001000800000aa00389b71")
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # of recorders that stream, or were switched off, and of RF64
_MAX_CHUNKS = 64
"""Chunks before the samples; recorders write fewer than ten. Bounds the time for a header."""


class InvalidWav(Exception):
    """The header is incomplete, contradicts itself, or exceeds the limits."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """Format and position of the samples.

    Attributes:
        encoding: Format tag: 1 for PCM; the subformat if the tag is WAVE_FORMAT_EXTENSIBLE.
        channels: Number of channels.
        rate_hz: Frames per second.
        frame_bytes: Size of a frame, which has one sample of each channel.
        start: Offset of the first frame in the file.
        data_bytes: Size of all frames; None if the header does not state it.
    """

    encoding: int
    channels: int
    rate_hz: int
    frame_bytes: int
    start: int
    data_bytes: int | None

    def duration_s(self, file_bytes: int) -> float | None:
        """Return the length of a file of this size; None for encodings with variable frames."""
        if self.encoding not in _LINEAR:
            return None
        available = max(file_bytes - self.start, 0)
        data_bytes = available if self.data_bytes is None else min(self.data_bytes, available)
        return data_bytes // self.frame_bytes / self.rate_hz


def read_header(file: BinaryIO) -> WavHeader:
    """Read the header of a WAV file that starts at the current position.

    Raises:
        EOFError: The file ends before its samples.
        InvalidWav: The header contradicts itself or exceeds the limits.
    """
    riff, _, form = struct.unpack("<4sI4s", _read(file, 12))
    if riff not in (b"RIFF", b"RF64", b"BW64") or form != b"WAVE":
        raise InvalidWav("it does not start like a WAV file")
    layout: tuple[int, int, int, int] | None = None
    for _ in range(_MAX_CHUNKS):
        name, size = struct.unpack("<4sI", _read(file, 8))
        start = file.tell()
        if name == b"data":
            if layout is None:
                raise InvalidWav("its samples come before their format")
            return WavHeader(*layout, start, None if size in _UNKNOWN_SIZES else size)
        if name == b"fmt ":
            if layout is not None:
                raise InvalidWav("it states its format twice")
            layout = _layout(_read(file, min(size, 40)))
        file.seek(start + size + size % 2)
    raise InvalidWav(f"more than {_MAX_CHUNKS} chunks come before its samples")


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("it ends before its samples")
    return data


def _layout(data: bytes) -> tuple[int, int, int, int]:
    """Return encoding, channels, rate in Hz and frame size in bytes from a format chunk."""
    if len(data) < 16:
        raise InvalidWav("its format is incomplete")
    encoding, channels, rate_hz, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", data)
    if encoding == _EXTENSIBLE:
        if len(data) < 40 or data[26:] != _SUBFORMAT_SUFFIX:
            raise InvalidWav("its extended format is not valid")
        (encoding,) = struct.unpack_from("<H", data, 24)
    sample_bytes = (bits + 7) // 8
    if not 1 <= channels <= MAX_CHANNELS or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise InvalidWav(f"it has {channels} channels at {rate_hz} Hz; allowed are {ALLOWED}")
    if encoding in _LINEAR:
        if not 1 <= sample_bytes <= MAX_SAMPLE_BYTES:
            raise InvalidWav(f"its samples have {bits} bits; allowed are {ALLOWED}")
        if frame_bytes != channels * sample_bytes:
            raise InvalidWav(
                f"{channels} channels of {bits} bits are not the {frame_bytes} bytes that it states"
            )
    return encoding, channels, rate_hz, frame_bytes
