"""Offline transcription with pocketsphinx, in a separate process.

Decoding is CPU-bound C code that takes about as long as the recording: it would block the event
loop, and in a thread a crash would end the worker. `python -m app.providers.sphinx FILE` decodes
one file, writes `{"text": ..., "duration_s": ...}` and exits; `PocketsphinxTranscriber` runs it,
one at a time, at low priority. Accuracy is modest; it lets the service work without an account.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import orjson

from app.audio.formats import BY_MEDIA_TYPE, WAV
from app.jobs.parent_watch import exit_with_parent
from app.providers.base import ProviderRefused, ProviderUnavailable, Transcript
from app.providers.wav import RATE_HZ, UnreadableAudio, read_pcm
from app.settings import BACKEND_DIR

_UNREADABLE = 3  # exit code; the reason is written to standard output
_NICENESS = 10
TIMEOUT_S = 2 * 3600


class PocketsphinxTranscriber:
    """Transcriber for WAV files that needs no network."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._semaphore = asyncio.Semaphore(1)

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Decode one WAV file in a child process.

        Raises:
            ProviderUnavailable: The decoder crashed or timed out.
            ProviderRefused: The file is not a PCM WAV file, or contains no speech.
        """
        if media_type != WAV.media_type:
            name = BY_MEDIA_TYPE[media_type].name
            raise ProviderRefused(
                f"the offline transcriber reads WAV only, not {name} (TRANSCRIBER=openai does)"
            )
        async with self._semaphore:
            result = orjson.loads(await self._decode(audio))
        if not result["text"]:
            raise ProviderRefused("no speech was found in the recording")
        return Transcript(result["text"], "pocketsphinx", result["duration_s"])

    async def _decode(self, audio: Path) -> bytes:
        # Only this process holds the write end of the pipe, so the child exits with it.
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.providers.sphinx", str(audio)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(BACKEND_DIR)},
        )
        assert child.stdout is not None
        try:
            async with asyncio.timeout(self._timeout_s):
                output = await child.stdout.read()
                code = await child.wait()
        except TimeoutError:
            raise ProviderUnavailable(f"decoding took over {self._timeout_s:.0f} s") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if code == _UNREADABLE:
            raise ProviderRefused(output.decode())
        if code != 0:
            raise ProviderUnavailable(f"the decoder exited with code {code}")
        return output


class _PcmReader:
    """File-like object for pocketsphinx's segmenter.

    Appends one second of silence, because the segmenter returns speech only after a pause.
    """

    def __init__(self, path: Path) -> None:
        self._seconds = chain(self._read(path), [bytes(2 * RATE_HZ)])
        self._buffer = bytearray()
        self.duration_s = 0.0

    def _read(self, path: Path) -> Iterator[bytes]:
        for second in read_pcm(path):
            self.duration_s += len(second) / 2 / RATE_HZ
            yield second

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size and (second := next(self._seconds, b"")):
            self._buffer += second
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data


def decode(path: Path) -> dict[str, object]:
    """Decode a WAV file in this process, one line of text per segment of speech.

    Raises:
        UnreadableAudio: The file is not a PCM WAV file.
    """
    from pocketsphinx import Decoder, Segmenter  # type: ignore[import-untyped] # it has no types

    reader = _PcmReader(path)
    decoder = Decoder(samprate=float(RATE_HZ), loglevel="FATAL")
    lines = []
    for speech in Segmenter(sample_rate=RATE_HZ).segment(reader):
        decoder.start_utt()
        decoder.process_raw(speech.pcm, full_utt=True)
        decoder.end_utt()
        if (best := decoder.hyp()) is not None and best.hypstr:
            lines.append(best.hypstr)
    return {"text": "\n".join(lines), "duration_s": reader.duration_s}


def main(path: Path) -> int:
    """Decode a file to standard output; return 3 if it is not readable."""
    exit_with_parent()
    os.nice(_NICENESS)
    try:
        sys.stdout.buffer.write(orjson.dumps(decode(path)))
    except UnreadableAudio as error:
        sys.stdout.write(str(error))
        return _UNREADABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
