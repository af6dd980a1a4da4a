"""Providers: an OpenAI-compatible endpoint, pocketsphinx, and the rules."""

import asyncio
import json
import struct
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from app.notes.schemas import Notes
from app.providers import sphinx
from app.providers.base import ProviderRefused, ProviderUnavailable
from app.providers.openai import ATTEMPTS, OpenAI
from app.providers.rules import RuleExtractor, extract_notes
from app.providers.sphinx import PocketsphinxTranscriber
from app.providers.wav import RATE_HZ, UnreadableAudio, read_pcm
from hypothesis import given
from hypothesis import strategies as st
from openai_double import Answer, OpenAIDouble, chat
from recordings import recording, wav

KEY = "sk-a-made-up-key"
NOTES = {
    "summary": "Better.",
    "key_topics": ["work"],
    "strategies": [],
    "emotional_themes": [],
    "triggers": [],
    "action_items": [],
    "quotes": [],
    "mood": "neutral",
    "mood_trajectory": "stable",
    "follow_ups": [],
    "risk_flags": [],
}


@pytest.fixture
def endpoint() -> Iterator[OpenAIDouble]:
    """A server that speaks the protocol."""
    with OpenAIDouble() as double:
        yield double


@pytest.fixture
async def openai(endpoint: OpenAIDouble) -> AsyncIterator[OpenAI]:
    """The provider that talks to it."""
    async with OpenAI(
        endpoint.url,
        KEY,
        transcription_model="ears-1",
        notes_model="words-1",
        timeout=httpx2.Timeout(5),
        backoff_s=0.001,
    ) as provider:
        yield provider


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    """A WAV file."""
    path = tmp_path / "recording"
    path.write_bytes(wav())
    return path


class TestOpenAI:
    """The online provider."""

    async def test_a_recording_is_sent_whole_and_its_text_comes_back(
        self, endpoint: OpenAIDouble, openai: OpenAI, audio: Path
    ):
        """The request is the protocol's: key, model, the file with a name of its type."""
        endpoint.say(Answer({"text": " Hello there. ", "duration": 1.5}))
        made = await openai.transcribe(audio, "audio/wav")
        assert (made.text, made.duration_s) == ("Hello there.", 1.5)
        assert made.transcriber == "openai:ears-1"
        (seen,) = endpoint.seen
        assert seen.path == "/v1/audio/transcriptions"
        assert seen.authorization == f"Bearer {KEY}"
        assert wav() in seen.body
        assert b'name="model"\r\n\r\nears-1' in seen.body
        assert b'filename="recording.wav"' in seen.body

    async def test_notes_are_asked_for_as_json_and_validated(
        self, endpoint: OpenAIDouble, openai: OpenAI
    ):
        """The transcript goes out as the user's message, valid notes come back labelled."""
        endpoint.say(chat({**NOTES, "extractor": "a lie", "extra": 1}))
        notes = await openai.extract("I feel better.")
        assert notes == Notes.model_validate({**NOTES, "extractor": "openai:words-1"})
        question = json.loads(endpoint.seen[0].body)
        assert question["response_format"] == {"type": "json_object"}
        assert question["messages"][-1] == {"role": "user", "content": "I feel better."}

    @pytest.mark.parametrize("status", [429, 500, 503])
    async def test_a_busy_endpoint_is_asked_again(
        self, endpoint: OpenAIDouble, openai: OpenAI, status: int
    ):
        """429 and 5xx are tried again, and the later answer counts."""
        endpoint.say(Answer({}, status, {"Retry-After": "0"}), Answer({}, status), chat(NOTES))
        assert (await openai.extract("words")).summary == "Better."
        assert len(endpoint.seen) == 3

    async def test_an_endpoint_that_stays_busy_is_given_up_for_now(
        self, endpoint: OpenAIDouble, openai: OpenAI
    ):
        """After a bounded number of attempts the step fails for now, and may be tried later."""
        endpoint.say(Answer({}, 503))
        with pytest.raises(ProviderUnavailable, match="503"):
            await openai.extract("words")
        assert len(endpoint.seen) == ATTEMPTS

    @pytest.mark.parametrize("status", [400, 401, 404, 413])
    async def test_a_refusal_is_final(self, endpoint: OpenAIDouble, openai: OpenAI, status: int):
        """Any other 4xx is not tried again."""
        endpoint.say(Answer({"error": {"message": KEY}}, status))
        with pytest.raises(ProviderRefused, match=str(status)) as refused:
            await openai.extract("words")
        assert len(endpoint.seen) == 1
        assert KEY not in str(refused.value)

    @pytest.mark.parametrize(
        "answer",
        [
            chat("no JSON"),
            chat([]),
            chat({**NOTES, "mood": "splendid"}),
            chat({name: value for name, value in NOTES.items() if name != "summary"}),
            Answer({"choices": []}),
            Answer([]),
            Answer(b"<html>"),
        ],
    )
    async def test_invalid_notes_are_never_believed(
        self, endpoint: OpenAIDouble, openai: OpenAI, answer: Answer
    ):
        """What is not exactly notes is a failure for now, and no error quotes it."""
        endpoint.say(answer)
        with pytest.raises(ProviderUnavailable) as failed:
            await openai.extract("a secret transcript")
        assert failed.value.__cause__ is None
        assert "secret" not in str(failed.value)

    async def test_a_dead_endpoint_is_a_failure_for_now(self, audio: Path):
        """Nobody listening is a plain failure for now, not an exception of the HTTP library."""
        async with OpenAI(
            "http://127.0.0.1:9", KEY, transcription_model="a", notes_model="b", backoff_s=0.001
        ) as openai:
            with pytest.raises(ProviderUnavailable, match="did not respond"):
                await openai.transcribe(audio, "audio/wav")

    async def test_silence_is_final(self, endpoint: OpenAIDouble, openai: OpenAI, audio: Path):
        """A recording without words will not have any the next time either."""
        endpoint.say(Answer({"text": "  "}))
        with pytest.raises(ProviderRefused, match="no speech"):
            await openai.transcribe(audio, "audio/wav")


class TestPocketsphinx:
    """The offline transcriber."""

    async def test_a_recording_without_speech_says_so(self, audio: Path):
        """A tone is decoded to the end and found to hold no speech."""
        with pytest.raises(ProviderRefused, match="no speech"):
            await PocketsphinxTranscriber().transcribe(audio, "audio/wav")

    @pytest.mark.parametrize("media_type", ["audio/mpeg", "audio/ogg", "audio/flac"])
    async def test_other_formats_are_refused_by_name(self, tmp_path: Path, media_type: str):
        """What it cannot decode it names, and says what can."""
        with pytest.raises(ProviderRefused, match=r"WAV only, not (MP3|Ogg|FLAC).*openai"):
            await PocketsphinxTranscriber().transcribe(tmp_path, media_type)

    async def test_a_broken_wav_is_refused(self, tmp_path: Path):
        """A WAV file in name only is a plain refusal."""
        audio = tmp_path / "broken"
        await asyncio.to_thread(audio.write_bytes, recording("audio/wav"))
        with pytest.raises(ProviderRefused, match="not a PCM WAV"):
            await PocketsphinxTranscriber().transcribe(audio, "audio/wav")

    async def test_a_decoder_that_dies_is_a_failure_for_now(
        self, audio: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """A crash of the C library takes only its own process along."""
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\nkill -SEGV $$\n")
        python.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(ProviderUnavailable, match="exited with code"):
            await PocketsphinxTranscriber().transcribe(audio, "audio/wav")

    async def test_a_decoder_that_hangs_is_stopped(
        self, audio: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """A decoder that takes too long is killed and the step fails for now."""
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\nexec sleep 600\n")
        python.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(ProviderUnavailable, match="took over"):
            await PocketsphinxTranscriber(timeout_s=0.2).transcribe(audio, "audio/wav")

    def test_the_decoder_reads_every_rate(self, tmp_path: Path):
        """Decoding runs for a rate that must be resampled and knows the true duration."""
        path = tmp_path / "a"
        path.write_bytes(wav(1.5, rate_hz=44_100, channels=2))
        decoded = sphinx.decode(path)
        assert decoded["duration_s"] == pytest.approx(1.5, abs=0.001)


def _pcm(path: Path) -> list[int]:
    data = b"".join(read_pcm(path))
    return list(struct.unpack(f"<{len(data) // 2}h", data))


def _write(path: Path, frames: bytes, *, rate_hz: int, channels: int, width_bytes: int) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width_bytes)
        out.setframerate(rate_hz)
        out.writeframes(frames)
    return path


class TestWav:
    """Reading WAV files for the decoder."""

    @pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("width_bytes", [1, 2, 3, 4])
    def test_a_constant_stays_what_it_is(
        self, tmp_path: Path, rate_hz: int, channels: int, width_bytes: int
    ):
        """A constant signal keeps its level and length at any rate, width and channels."""
        level = 64 << 8
        one = bytes([64 + 128]) if width_bytes == 1 else b"\0" * (width_bytes - 1) + bytes([64])
        frames = one * channels * (2 * rate_hz)
        path = _write(
            tmp_path / "a", frames, rate_hz=rate_hz, channels=channels, width_bytes=width_bytes
        )
        assert _pcm(path) == [level] * (2 * RATE_HZ)

    def test_samples_of_the_right_form_pass_unchanged(self, tmp_path: Path):
        """16 kHz mono 16 bit is handed on bit for bit."""
        samples = [0, 1, -1, 32767, -32768, 1234]
        frames = struct.pack("<6h", *samples)
        path = _write(tmp_path / "a", frames, rate_hz=RATE_HZ, channels=1, width_bytes=2)
        assert _pcm(path) == samples

    def test_twice_the_rate_is_averaged_in_pairs(self, tmp_path: Path):
        """Down-sampling by two is the mean of two, up-sampling by two puts the mean between."""
        frames = struct.pack("<4h", 0, 100, 200, 400)
        down = _write(tmp_path / "a", frames, rate_hz=2 * RATE_HZ, channels=1, width_bytes=2)
        assert _pcm(down) == [50, 300]
        up = _write(tmp_path / "b", frames, rate_hz=RATE_HZ // 2, channels=1, width_bytes=2)
        assert _pcm(up) == [0, 50, 100, 150, 200, 300, 400, 400]

    def test_an_odd_rate_is_refused(self, tmp_path: Path):
        """A rate far from any speech is refused in plain words."""
        path = _write(tmp_path / "a", bytes(100), rate_hz=4000, channels=1, width_bytes=2)
        with pytest.raises(UnreadableAudio, match="4000 Hz"):
            _pcm(path)

    @given(st.binary(max_size=400))
    def test_no_file_does_more_than_be_refused(self, tmp_path_factory: Any, body: bytes):  # noqa: ANN401 -- pytest's
        """Whatever follows a WAV header, reading ends in samples or in a refusal."""
        path = tmp_path_factory.mktemp("wav") / "a"
        path.write_bytes(wav(0.01)[:20] + body)
        try:
            _pcm(path)
        except UnreadableAudio:
            return


class TestRules:
    """The rule-based extractor."""

    async def test_it_labels_itself(self):
        """Its notes say that rules made them, so that nobody takes them for more."""
        assert (await RuleExtractor().extract("I feel fine.")).extractor == "rules"

    def test_it_notes_what_the_lists_name(self):
        """Topics, strategies, emotions, actions, triggers, follow-ups are found by their words."""
        notes = extract_notes(
            "Therapist: How was work?\n"
            "Client: Whenever my boss calls I feel anxious and my hands shake.\n"
            "Therapist: Let's try the breathing exercise.\n"
            "Client: I will write down three worries. Next session I want to talk about my sister."
        )
        assert {"work", "anxiety", "family"} <= set(notes.key_topics)
        assert notes.emotional_themes[0] == "anxiety"
        assert {"breathing exercise", "journaling"} <= set(notes.strategies)
        assert notes.triggers == ["Whenever my boss calls I feel anxious and my hands shake."]
        assert "I will write down three worries." in notes.action_items
        assert notes.follow_ups == ["Next session I want to talk about my sister."]
        assert notes.quotes[0].startswith("Whenever my boss calls")
        assert "Therapist:" not in notes.summary

    @pytest.mark.parametrize(
        ("text", "flag"),
        [
            ("I do not want to die.", "suicidal thoughts mentioned"),
            ("She thought of SUICIDE once.", "suicidal thoughts mentioned"),
            ("I cut myself last year.", "self-harm mentioned"),
            ("My father hit me.", "abuse mentioned"),
        ],
    )
    def test_every_mention_of_a_risk_is_flagged(self, text: str, flag: str):
        """A risk is flagged wherever it is named, also negated: a false alarm costs a glance."""
        assert flag in extract_notes(f"It was a good week. {text} We went on.").risk_flags

    @pytest.mark.parametrize(
        ("first", "last", "trajectory"),
        [
            ("I was sad and hopeless. ", "I feel better and calm. ", "improving"),
            ("I feel better and calm. ", "I was sad and hopeless. ", "declining"),
            ("We talked. ", "We talked. ", "stable"),
        ],
    )
    def test_the_mood_has_a_direction(self, first: str, last: str, trajectory: str):
        """The trajectory compares how the talk ended with how it began."""
        assert extract_notes(first * 4 + last * 4).mood_trajectory == trajectory

    def test_no_words_no_notes(self):
        """A transcript without words is refused rather than summed up."""
        with pytest.raises(ProviderRefused):
            extract_notes(" ... \n ")

    @given(st.text(max_size=500))
    def test_any_text_gives_valid_notes_or_a_refusal(self, text: str):
        """Whatever a transcript holds, the notes are valid and quote only from it."""
        try:
            notes = extract_notes(text)
        except ProviderRefused:
            return
        assert Notes.model_validate(notes.model_dump()) == notes
        assert all(quote in text for quote in notes.quotes)
