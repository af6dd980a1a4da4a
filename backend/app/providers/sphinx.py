"""Offline transcription with pocketsphinx, in a separate process.

Decoding is CPU-bound C code that takes about as long as the recording: it would block the event
loop, and in a thread a crash would end the worker. `python -m app.providers.sphinx FILE` decodes
one file, writes `{"text": ..., "duration_s": ...}` and exits; `PocketsphinxTranscriber` runs it,
with bounded memory and CPU time, at low priority. Decoders take turns (`app.providers.turns`).
Accuracy is modest; it lets the service work without an account.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import orjson

from app.audio.formats import BY_MEDIA_TYPE, WAV
from app.jobs.parent_watch import exit_with_parent
from app.providers.base import ProviderRefused, ProviderUnavailable, Transcript
from app.providers.turns import ProcessTurns
from app.providers.wav import RATE_HZ, UnreadableAudio, read_pcm, read_pcm_header
from app.settings import BACKEND_DIR, Settings

_REFUSED = 3  # exit code; the reason is written to standard output
_OUT_OF_MEMORY = 255  # exit code of pocketsphinx if malloc fails (ckd_fail in its ckd_alloc.c)
_NICENESS = 10
TIMEOUT_S = 6 * 3600
MEMORY_BYTES = 512 * 1024 * 1024
"""Memory of a decoder. The model needs 150 MB, and the longest utterance 15 MB more."""
MAX_UTTERANCE_S = 30
"""Longer utterances are cut, because memory grows by 0.5 MB for each second of one; people pause
for breath after a few seconds."""
CPU_PER_RECORDED_S = 10
"""Limit of the CPU time. Decoding takes 0.6 s for a second of speech on a 3 GHz core."""
_BASE_CPU_S = 60


class PocketsphinxTranscriber:
    """Transcriber for WAV files that needs no network.

    Args:
        timeout_s: Time after which a decoder is ended, without the time in which others run.
        memory_bytes: Address space of a decoder.
    """

    def __init__(self, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._turns = ProcessTurns()

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Decode one WAV file in a child process.

        Raises:
            ProviderUnavailable: The decoder crashed or timed out.
            ProviderRefused: The file is not a PCM WAV file, contains no speech, or exceeds the
                limits of the decoder.
        """
        if media_type != WAV.media_type:
            name = BY_MEDIA_TYPE[media_type].name
            raise ProviderRefused(
                f"the offline transcriber reads WAV only, not {name} (TRANSCRIBER=openai does)"
            )
        result = orjson.loads(await self._decode(audio))
        if not result["text"]:
            raise ProviderRefused("no speech was found in the recording")
        return Transcript(result["text"], "pocketsphinx", result["duration_s"])

    async def _decode(self, audio: Path) -> bytes:
        # Only this process holds the write end of the pipe, so the child exits with it. While the
        # child is stopped, it exits because the kernel hangs up a stopped group without a parent.
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app.providers.sphinx", str(audio), str(self._memory_bytes)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
            process_group=0,
        )
        done = asyncio.ensure_future(child.communicate())
        try:
            if not await self._turns.run(child, done, timeout_s=self._timeout_s):
                raise ProviderUnavailable(f"decoding took over {self._timeout_s:.0f} s")
        finally:
            if child.returncode is None:
                child.kill()
            await asyncio.wait({done})
        output, _ = done.result()
        if child.returncode == _REFUSED:
            raise ProviderRefused(output.decode())
        if child.returncode == _OUT_OF_MEMORY:
            raise ProviderRefused(
                f"decoding needs more than {self._memory_bytes >> 20} MiB of memory"
            )
        if child.returncode == -signal.SIGXCPU:
            raise ProviderRefused("decoding took too much CPU time for the recording's length")
        if child.returncode != 0:
            raise ProviderUnavailable(f"the decoder exited with code {child.returncode}")
        return output


def environment() -> dict[str, str]:
    """Return the environment of a decoder: without settings, which have passwords and keys.

    It reads bytes of strangers with C code, and needs no setting.
    """
    settings = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in settings}
    return kept | {"PYTHONPATH": str(BACKEND_DIR)}


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


def _utterances(reader: _PcmReader) -> Iterator[bytes]:
    """Yield the samples of each utterance, cut after `MAX_UTTERANCE_S`."""
    from pocketsphinx import Endpointer  # type: ignore[import-untyped] # it has no types

    endpointer = Endpointer(sample_rate=RATE_HZ)
    speech = bytearray()
    while frame := reader.read(endpointer.frame_bytes):
        if len(frame) == endpointer.frame_bytes:
            speech += endpointer.process(frame) or b""
        else:
            speech += endpointer.end_stream(frame) or b""
        if speech and (not endpointer.in_speech or len(speech) >= MAX_UTTERANCE_S * 2 * RATE_HZ):
            yield bytes(speech)
            speech.clear()


def decode(path: Path) -> dict[str, object]:
    """Decode a WAV file in this process, one line of text per utterance.

    Raises:
        UnreadableAudio: The file is not a PCM WAV file.
    """
    from pocketsphinx import Decoder

    reader = _PcmReader(path)
    decoder = Decoder(samprate=float(RATE_HZ), loglevel="FATAL")
    lines = []
    for samples in _utterances(reader):
        decoder.start_utt()
        decoder.process_raw(samples, full_utt=True)
        decoder.end_utt()
        if (best := decoder.hyp()) is not None and best.hypstr:
            lines.append(best.hypstr)
    return {"text": "\n".join(lines), "duration_s": reader.duration_s}


def _limit(path: Path, memory_bytes: int) -> None:
    """Limit memory and CPU time of this process."""
    with path.open("rb") as file:
        duration_s = read_pcm_header(file).duration_s(path.stat().st_size) or 0.0
    cpu_s = int(_BASE_CPU_S + CPU_PER_RECORDED_S * duration_s)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: Path, memory_bytes: int) -> int:
    """Decode a file to standard output; return 3 if it is refused, 255 if memory ran out."""
    exit_with_parent()
    os.nice(_NICENESS)
    try:
        _limit(path, memory_bytes)
        sys.stdout.buffer.write(orjson.dumps(decode(path)))
    except UnreadableAudio as error:
        sys.stdout.write(str(error))
        return _REFUSED
    except MemoryError:
        return _OUT_OF_MEMORY
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
