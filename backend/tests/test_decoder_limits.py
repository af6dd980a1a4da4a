"""Limits of the offline decoder: memory, CPU time, and turns between recordings."""

import asyncio
import json
import resource
import signal
import subprocess
import sys
import wave
from pathlib import Path

import psutil
import pytest
from app.providers import sphinx
from app.providers.base import ProviderRefused
from app.providers.sphinx import MAX_UTTERANCE_S, PocketsphinxTranscriber
from app.providers.turns import ProcessTurns
from app.providers.wav import RATE_HZ, UnreadableAudio, read_pcm
from recordings import wav, wav_header
from service import until

SPEECH = Path(__file__).parent / "performance" / "audio" / "speech.wav"


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """A WAV file with one second of a tone."""
    path = tmp_path / "recording"
    path.write_bytes(wav())
    return path


def _words(path: Path, seconds: int) -> Path:
    """Write a file of uninterrupted speech."""
    with wave.open(str(SPEECH)) as speech:
        words = speech.readframes(speech.getnframes())[2000:-4000]
    size = 2 * 8000 * seconds
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes((words * (size // len(words) + 1))[:size])
    return path


def test_file_with_500_channels_is_rejected_unread(tmp_path: Path):
    """A second with 500 channels at 192 kHz, 192 MB, is never read."""
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(wav_header(channels=500, rate_hz=192_000, frame_bytes=1000))
        file.truncate(500_000_000)  # sparse
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableAudio, match=r"500 channels .* at most 8 channels"):
        list(read_pcm(path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000


def test_largest_second_is_read_in_little_memory(tmp_path: Path):
    """One second at all limits needs less than 200 MB in the decoder."""
    path = tmp_path / "a"
    with path.open("wb") as file:
        file.write(wav_header(1, 8, 192_000, frame_bytes=32, bits=32))
        file.truncate(2 * 32 * 192_000 + 44)
    program = (
        "import resource, sys; from pathlib import Path; from app.providers.wav import read_pcm;"
        "resource.setrlimit(resource.RLIMIT_AS, (200 << 20,) * 2);"
        "print(sum(map(len, read_pcm(Path(sys.argv[1])))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
    )
    assert int(done.stdout) == 2 * 2 * RATE_HZ


def test_long_utterances_are_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Speech without a pause is decoded in parts, so memory does not grow with the recording."""
    assert MAX_UTTERANCE_S == 30
    monkeypatch.setattr(sphinx, "MAX_UTTERANCE_S", 2)
    reader = sphinx._PcmReader(_words(tmp_path / "a", 7))
    lengths_s = [len(part) / 2 / RATE_HZ for part in sphinx._utterances(reader)]
    assert len(lengths_s) >= 3
    assert max(lengths_s) < 2.1


async def test_recording_that_needs_too_much_memory_fails(audio: Path):
    """A decoder that reaches its memory limit ends alone, and the reason names the limit."""
    transcriber = PocketsphinxTranscriber(memory_bytes=160 << 20)
    with pytest.raises(ProviderRefused, match="more than 160 MiB of memory"):
        await transcriber.transcribe(audio, "audio/wav")


async def test_recording_that_needs_too_much_cpu_time_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A decoder that reaches its limit of CPU time ends alone, and the session fails for good."""
    busy = tmp_path / "python"
    busy.write_text("#!/bin/sh\nulimit -S -t 1\nwhile :; do :; done\n")
    busy.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(busy))
    with pytest.raises(ProviderRefused, match="too much CPU time"):
        await PocketsphinxTranscriber().transcribe(tmp_path, "audio/wav")


def test_limits_follow_the_length_of_the_recording(audio: Path):
    """The decoder limits its address space, and its CPU time by the length of the recording."""
    program = (
        "import json, resource, sys; from pathlib import Path; from app.providers import sphinx;"
        "sphinx._limit(Path(sys.argv[1]), 300 << 20);"
        "print(json.dumps([resource.getrlimit(getattr(resource, f'RLIMIT_{name}'))"
        " for name in ('CPU', 'AS', 'CORE')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(audio)],
        cwd=Path(__file__).parent.parent,
        check=True,
        capture_output=True,
    )
    assert json.loads(done.stdout) == [[70, 75], [300 << 20, 300 << 20], [0, 0]]


class TestTurns:
    """Turns of decoders."""

    async def test_short_process_overtakes_a_long_one(self):
        """A process that starts while another runs does not wait for its end."""
        turns = ProcessTurns(slice_s=0.05)
        endless = await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
        endless_done = asyncio.ensure_future(endless.wait())
        first = asyncio.ensure_future(turns.run(endless, endless_done, timeout_s=600))
        short = await asyncio.create_subprocess_exec("true")
        assert await turns.run(short, asyncio.ensure_future(short.wait()), timeout_s=600)
        assert not first.done()
        endless.kill()
        assert await first

    async def test_one_process_runs_at_a_time(self):
        """The others are stopped."""
        turns = ProcessTurns(slice_s=600)
        loops = [
            await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
            for _ in range(3)
        ]
        running = [
            asyncio.ensure_future(
                turns.run(each, asyncio.ensure_future(each.wait()), timeout_s=600)
            )
            for each in loops
        ]
        states = [psutil.Process(each.pid) for each in loops]
        await until(lambda: [each.status() == "stopped" for each in states] == [False, True, True])
        for each in loops:
            each.kill()
        assert await asyncio.gather(*running) == [True] * 3

    async def test_time_of_others_does_not_count(self):
        """A process times out by the time in which it ran."""
        turns = ProcessTurns(slice_s=0.05)
        loops = [
            await asyncio.create_subprocess_exec("sh", "-c", "while :; do :; done")
            for _ in range(2)
        ]
        ends = [asyncio.ensure_future(each.wait()) for each in loops]
        limits = [
            asyncio.ensure_future(turns.run(each, end, timeout_s=timeout_s))
            for each, end, timeout_s in zip(loops, ends, (600, 0.15), strict=True)
        ]
        assert await limits[1] is False
        for each in loops:
            each.send_signal(signal.SIGKILL)
        assert await limits[0]
        await asyncio.gather(*ends)

    async def test_stopped_decoder_exits_with_its_worker(self):
        """A decoder that is stopped when its worker is killed does not stay behind."""
        program = (
            "import asyncio, sys\n"
            "async def main():\n"
            "    child = await asyncio.create_subprocess_exec('sleep', '600', process_group=0)\n"
            "    child.send_signal(19)\n"
            "    print(child.pid, flush=True)\n"
            "    await child.wait()\n"
            "asyncio.run(main())"
        )
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program), stdout=subprocess.PIPE, start_new_session=True
        )
        assert worker.stdout is not None
        decoder = psutil.Process(int(await worker.stdout.readline()))
        await until(lambda: decoder.status() == "stopped")
        worker.kill()
        await worker.wait()
        assert await worker.stdout.read() == b""  # the decoder held the other end, too
        await until(lambda: not decoder.is_running() or decoder.status() == "zombie")


def test_decoder_knows_no_secrets(monkeypatch: pytest.MonkeyPatch):
    """A decoder inherits the environment without the settings of the service."""
    for name in ("DATABASE_URL", "SECRET_KEY", "OPENAI_API_KEY", "rate_limit_storage"):
        monkeypatch.setenv(name, "redis://user:password@host")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = sphinx.environment()
    assert "redis://user:password@host" not in environment.values()
    assert environment["LANG"] == "C.UTF-8"
