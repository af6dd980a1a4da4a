"""Recordings to upload: speech in six formats, ten sizes and five sampling rates.

`audio/speech.*` is one sentence of synthesized speech in six formats:

    espeak-ng -v en-us -s 165 -w 22.wav "I slept better this week, and went for a walk."
    sox 22.wav -r 8000 -b 16 -c 1 speech.wav
    sox 22.wav -r 16000 -b 16 -c 1 16.wav
    ffmpeg -i 22.wav -ar 16000 -b:a 32k speech.mp3
    flac -8 --no-padding -o speech.flac 16.wav
    oggenc -q 1 -o speech.ogg 16.wav
    ffmpeg -i 16.wav -c:a aac -b:a 32k speech.m4a
    ffmpeg -i 16.wav -c:a libopus -b:a 24k speech.webm

The larger WAV files are resampled from `speech.wav` by this module, so that the tests do not need
these programs.
"""

import io
import struct
import wave
from functools import cache
from pathlib import Path

import numpy as np

from straingauge import FilePart, UsageError

AUDIO = Path(__file__).parent / "audio"

CONTENT_TYPES = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".m4a": "audio/mp4",
    ".webm": "audio/webm",
}

RESAMPLED = [(16_000, 1), (44_100, 2), (22_050, 1), (48_000, 2)]
"""Sampling rate in Hz and channels of the resampled WAV files, 100 to 600 kB each."""


def recording(number: int, stamp: str) -> FilePart:
    """Return a recording; consecutive numbers cycle through all formats and sizes.

    Args:
        number: Number of the recording.
        stamp: Comment for WAV files, which makes each upload unique, so that swapped recordings are
            detected.
    """
    name, content = _recordings()[number % len(_recordings())]
    if name.endswith(".wav"):
        content = _with_comment(content, stamp)
    return FilePart(content, filename=name, content_type=CONTENT_TYPES[Path(name).suffix])


def require() -> None:
    """Check that all recordings exist.

    Raises:
        UsageError: A file in `audio/` is missing.
    """
    _recordings()


@cache
def _recordings() -> list[tuple[str, bytes]]:
    files = [(path.name, path.read_bytes()) for path in sorted(AUDIO.glob("speech.*"))]
    missing = CONTENT_TYPES.keys() - {Path(name).suffix for name, _ in files}
    if missing:
        names = ", ".join(f"speech{suffix}" for suffix in sorted(missing))
        raise UsageError(
            f"no audio to upload: {names} missing from {AUDIO}", hint=f"git checkout -- {AUDIO}"
        )
    speech = dict(files)["speech.wav"]
    resampled = [(f"speech_{rate}_{n}.wav", _resample(speech, rate, n)) for rate, n in RESAMPLED]
    return files + resampled


def _resample(speech: bytes, rate: int, channels: int) -> bytes:
    """Resample a WAV file by linear interpolation, with equal channels."""
    with wave.open(io.BytesIO(speech)) as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2")
        duration_s = source.getnframes() / source.getframerate()
    positions = np.arange(int(duration_s * rate)) * (len(samples) / (duration_s * rate))
    resampled = np.interp(positions, np.arange(len(samples)), samples).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(channels)
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes(np.repeat(resampled, channels).tobytes())
    return file.getvalue()


def _with_comment(content: bytes, comment: str) -> bytes:
    """Append an INFO comment (RIFF) to a WAV file."""
    text = comment.encode().ljust(len(comment) + 1 + (len(comment) + 1) % 2, b"\0")
    info = b"INFOICMT" + struct.pack("<I", len(text)) + text
    tail = b"LIST" + struct.pack("<I", len(info)) + info
    return b"RIFF" + struct.pack("<I", len(content) + len(tail) - 8) + content[8:] + tail
