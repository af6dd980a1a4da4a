"""Conversion of PCM WAV files to 16 kHz mono 16-bit samples, the input of pocketsphinx."""

import sys
import wave
from array import array
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

RATE_HZ = 16_000
_MIN_RATE_HZ, _MAX_RATE_HZ = 8_000, 192_000


class UnreadableAudio(Exception):
    """The file cannot be read as PCM WAV."""


def read_pcm(path: Path) -> Iterator[bytes]:
    """Yield the recording in blocks of one second, as little-endian 16-bit mono at 16 kHz.

    Channels are averaged. Higher rates are downsampled with a box filter (cheap, and its aliasing
    lies above the band of speech models), lower rates are upsampled by linear interpolation. Memory
    use is constant.

    Raises:
        UnreadableAudio: The file is not PCM WAV, or its sample width or rate is not supported.
    """
    try:
        with wave.open(str(path), "rb") as recording:
            yield from _seconds(recording)
    except (wave.Error, EOFError, RuntimeError) as error:  # RuntimeError: a chunk beyond the end
        raise UnreadableAudio(f"not a PCM WAV file: {error or 'it ends too early'}") from error


def _seconds(recording: wave.Wave_read) -> Iterator[bytes]:
    rate_hz, channels = recording.getframerate(), recording.getnchannels()
    if not _MIN_RATE_HZ <= rate_hz <= _MAX_RATE_HZ:
        raise UnreadableAudio(f"a sampling rate of {rate_hz} Hz is not supported")
    width = recording.getsampwidth()
    while frames := recording.readframes(rate_hz):
        samples = _mono(_sixteen_bit(frames, width), channels)
        out = array("h", _resample(samples, rate_hz))
        if sys.byteorder == "big":
            out.byteswap()
        yield out.tobytes()


def _sixteen_bit(frames: bytes, width_bytes: int) -> "array[int]":
    """Convert samples of any PCM width to 16 bits by keeping their two highest bytes."""
    if width_bytes == 1:  # 8-bit WAV samples are unsigned
        return array("h", [(sample - 128) << 8 for sample in frames])
    if width_bytes not in (2, 3, 4):
        raise UnreadableAudio(f"samples of {width_bytes} bytes are not supported")
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
