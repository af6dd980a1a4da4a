"""Reads a PCM WAV file as 16 kHz mono 16-bit samples, which is what pocketsphinx hears."""

import sys
import wave
from array import array
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path

RATE_HZ = 16_000
_MIN_RATE_HZ, _MAX_RATE_HZ = 8_000, 192_000


class UnreadableAudio(Exception):
    """The file cannot be read as PCM WAV; the message says why."""


def read_pcm(path: Path) -> Iterator[bytes]:
    """Yield the recording second by second as little-endian 16-bit mono at 16 kHz.

    Channels are averaged. A higher rate is brought down by averaging the samples each output sample
    spans (a box filter: cheap, and what it lets alias lies above the band of speech models), a
    lower one is brought up by linear interpolation. Memory does not grow with the file.

    Raises:
        UnreadableAudio: It is no PCM WAV, or has a width or rate that is not understood.
    """
    try:
        with wave.open(str(path), "rb") as recording:
            yield from _seconds(recording)
    except (wave.Error, EOFError, RuntimeError) as error:  # the last for chunks beyond the end
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
    """Samples of any PCM width as 16-bit ones: the two highest bytes of each."""
    if width_bytes == 1:  # the one unsigned width
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
        whole, part = divmod(i * rate_hz, RATE_HZ)
        here, there = padded[whole], padded[whole + 1]
        out.append(here + (there - here) * part // RATE_HZ)
    return out
