"""Offline speech to text by pocketsphinx, in a process of its own.

Decoding is hours of C code for hours of speech: in the event loop it would stop everything, in a
thread a crash of it would take the worker along. `python -m app.providers.sphinx FILE` decodes one
file, writes `{"text": ..., "duration_s": ...}` and ends; `PocketsphinxTranscriber` runs that, one
at a time, at low priority. Its accuracy is modest: it is there so that the service works without
any account elsewhere.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import orjson

from app.audio.kinds import BY_MEDIA_TYPE, WAV
from app.jobs.lifeline import end_with_parent
from app.providers.base import ProviderRefused, ProviderUnavailable, Transcript
from app.providers.wav import RATE_HZ, UnreadableAudio, read_pcm
from app.settings import BACKEND_DIR

_UNREADABLE = 3  # exit code: the reason is on standard output
_NICENESS = 10
TIMEOUT_S = 2 * 3600


class PocketsphinxTranscriber:
    """Transcribes WAV files without any network."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._one_at_a_time = asyncio.Semaphore(1)

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Decode one WAV file in a child process.

        Raises:
            ProviderUnavailable: The decoder died or took too long.
            ProviderRefused: The file is no PCM WAV, or holds no speech.
        """
        if media_type != WAV.media_type:
            kind = BY_MEDIA_TYPE[media_type].name
            raise ProviderRefused(
                f"the offline transcriber reads WAV only, not {kind} (TRANSCRIBER=openai does)"
            )
        async with self._one_at_a_time:
            answer = orjson.loads(await self._decode(audio))
        if not answer["text"]:
            raise ProviderRefused("no speech was found in the recording")
        return Transcript(answer["text"], "pocketsphinx", answer["duration_s"])

    async def _decode(self, audio: Path) -> bytes:
        # Its standard input is a pipe that only this process holds: when we end, however, it ends.
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
            raise ProviderUnavailable(f"the decoder ended with code {code}")
        return output


class _PcmReader:
    """The file-like face that pocketsphinx's segmenter reads from.

    A second of silence follows the recording: the segmenter gives up speech only after a pause.
    """

    def __init__(self, path: Path) -> None:
        self._seconds = chain(self._counted(path), [bytes(2 * RATE_HZ)])
        self._buffer = bytearray()
        self.duration_s = 0.0

    def _counted(self, path: Path) -> Iterator[bytes]:
        for second in read_pcm(path):
            self.duration_s += len(second) / 2 / RATE_HZ
            yield second

    def read(self, size: int) -> bytes:
        while len(self._buffer) < size and (second := next(self._seconds, b"")):
            self._buffer += second
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def decode(path: Path) -> dict[str, object]:
    """Decode a WAV file here and now: a line of text for each stretch of speech.

    Raises:
        UnreadableAudio: The file is no PCM WAV.
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
    """Decode `path` to standard output; an exit code of 3 says that it cannot be."""
    end_with_parent()
    os.nice(_NICENESS)
    try:
        sys.stdout.buffer.write(orjson.dumps(decode(path)))
    except UnreadableAudio as error:
        sys.stdout.write(str(error))
        return _UNREADABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
