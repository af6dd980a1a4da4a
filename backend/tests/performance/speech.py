"""Recordings to upload: real speech, in six formats, ten sizes and five rates.

`audio/speech.*` is one made-up sentence spoken by a machine, written down six times:

    espeak-ng -v en-us -s 165 -w 22.wav "I slept better this week, and went for a walk."
    sox 22.wav -r 8000 -b 16 -c 1 speech.wav
    sox 22.wav -r 16000 -b 16 -c 1 16.wav
    ffmpeg -i 22.wav -ar 16000 -b:a 32k speech.mp3
    flac -8 --no-padding -o speech.flac 16.wav
    oggenc -q 1 -o speech.ogg 16.wav
    ffmpeg -i 16.wav -c:a aac -b:a 32k speech.m4a
    ffmpeg -i 16.wav -c:a libopus -b:a 24k speech.webm

The larger WAV files are resampled from `speech.wav` here: no such program is needed for the tests.
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

STUDIO = [(16_000, 1), (44_100, 2), (22_050, 1), (48_000, 2)]
"""Rate in Hz and channels of the WAV files made here: 100 to 600 kB."""


def recording(number: int, stamp: str) -> FilePart:
    """The recording with this number, going round through all formats and sizes.

    Args:
        number: Which one.
        stamp: Written into a WAV file as its comment, so that no two uploads are the same, and a
            service that mixes them up is found out.
    """
    name, content = _recordings()[number % len(_recordings())]
    if name.endswith(".wav"):
        content = _with_comment(content, stamp)
    return FilePart(content, filename=name, content_type=CONTENT_TYPES[Path(name).suffix])


def require() -> None:
    """Make sure that there is something to upload.

    Raises:
        UsageError: A file of `audio/` is missing.
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
    made = [(f"speech_{rate}_{n}.wav", _resampled(speech, rate, n)) for rate, n in STUDIO]
    return files + made


def _resampled(speech: bytes, rate: int, channels: int) -> bytes:
    """The same speech at another rate, by linear interpolation, the same on each channel."""
    with wave.open(io.BytesIO(speech)) as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), dtype="<i2")
        seconds = source.getnframes() / source.getframerate()
    at = np.arange(int(seconds * rate)) * (len(samples) / (seconds * rate))
    sound = np.interp(at, np.arange(len(samples)), samples).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as target:
        target.setnchannels(channels)
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes(np.repeat(sound, channels).tobytes())
    return out.getvalue()


def _with_comment(content: bytes, comment: str) -> bytes:
    """The WAV file with an INFO comment behind its samples, as the RIFF format has it."""
    text = comment.encode().ljust(len(comment) + 1 + (len(comment) + 1) % 2, b"\0")
    info = b"INFOICMT" + struct.pack("<I", len(text)) + text
    tail = b"LIST" + struct.pack("<I", len(info)) + info
    return b"RIFF" + struct.pack("<I", len(content) + len(tail) - 8) + content[8:] + tail
