"""Conversion of PCM WAV files to 16 kHz mono 16-bit samples, the input of pocketsphinx."""

import sys
from array import array
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import BinaryIO

from app.audio.wav import PCM, InvalidWav, WavHeader, read_header

RATE_HZ = 16_000


class UnreadableAudio(Exception):
    """The file cannot be read as PCM WAV."""


def read_pcm_header(file: BinaryIO) -> WavHeader:
    """Read the header of a PCM WAV file.

    Raises:
        UnreadableAudio: The file is not PCM WAV, or exceeds the limits of `app.audio.wav`.
    """
    try:
        header = read_header(file)
    except (InvalidWav, EOFError) as error:
        raise UnreadableAudio(f"not a PCM WAV file: {error}") from error
    if header.encoding != PCM:
        raise UnreadableAudio(f"not a PCM WAV file: its encoding is {header.encoding}")
    return header


def read_pcm(path: Path) -> Iterator[bytes]:
    """Yield the recording in blocks of one second, as little-endian 16-bit mono at 16 kHz.

    Channels are averaged. Higher rates are downsampled with a box filter (cheap, and its aliasing
    lies above the band of speech models), lower rates are upsampled by linear interpolation. Memory
    use is constant: the limits of the header bound one second to 6 MB.

    Raises:
        UnreadableAudio: The file is not PCM WAV, or exceeds the limits of `app.audio.wav`.
    """
    with path.open("rb") as file:
        header = read_pcm_header(file)
        width_bytes = header.frame_bytes // header.channels
        second_bytes = header.rate_hz * header.frame_bytes
        left = path.stat().st_size if header.data_bytes is None else header.data_bytes
        file.seek(header.start)
        while frames := file.read(min(second_bytes, left)):
            left -= len(frames)
            samples = _mono(_sixteen_bit(frames, width_bytes), header.channels)
            out = array("h", _resample(samples, header.rate_hz))
            if sys.byteorder == "big":
                out.byteswap()
            yield out.tobytes()


def _sixteen_bit(frames: bytes, width_bytes: int) -> "array[int]":
    """Convert samples of any PCM width to 16 bits by keeping their two highest bytes."""
    if width_bytes == 1:  # 8-bit WAV samples are unsigned
        return array("h", [(sample - 128) << 8 for sample in frames])
    whole = len(frames) - len(frames) % width_bytes
    high = bytearray(whole // width_bytes * 2)
    high[0::2] = frames[width_bytes - 2 : whole : width_bytes]
    high[1::2] = frames[width_bytes - 1 : whole : width_bytes]
    samples = array("h", bytes(high))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _mono(samples: "array[int]", channels: int) -> "array[int]":
    if channels == 1:
        return samples
    whole = len(samples) - len(samples) % channels
    tracks = [samples[track:whole:channels] for track in range(channels)]
    return array("h", [sum(frame) // channels for frame in zip(*tracks, strict=True)])


def _resample(samples: "array[int]", rate_hz: int) -> list[int]:
    if rate_hz == RATE_HZ:
        return samples.tolist()
    count = len(samples) * RATE_HZ // rate_hz
    if rate_hz > RATE_HZ:
        sums = list(accumulate(samples, initial=0))
        edges = [i * rate_hz // RATE_HZ for i in range(count + 1)]
        return [(sums[end] - sums[start]) // (end - start) for start, end in pairwise(edges)]
    padded = [*samples, *samples[-1:]]
    out = []
    for i in range(count):
        index, part = divmod(i * rate_hz, RATE_HZ)
        left, right = padded[index], padded[index + 1]
        out.append(left + (right - left) * part // RATE_HZ)
    return out
