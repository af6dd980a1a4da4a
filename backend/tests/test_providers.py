"""Providers: OpenAI-compatible endpoints, pocketsphinx and rules."""

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
from hypothesis import example, given
from hypothesis import strategies as st
from openai_server import CannedResponse, OpenAIServer, chat
from recordings import wav

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
def endpoint() -> Iterator[OpenAIServer]:
    """A server with an OpenAI-compatible API."""
    with OpenAIServer() as double:
        yield double


@pytest.fixture
async def openai(endpoint: OpenAIServer) -> AsyncIterator[OpenAI]:
    """A provider that uses this server."""
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

    async def test_recording_is_sent_and_its_text_returned(
        self, endpoint: OpenAIServer, openai: OpenAI, audio: Path
    ):
        """The request has the key, the model and the file with a suffix for its format."""
        endpoint.respond_with(CannedResponse({"text": " Hello there. ", "duration": 1.5}))
        transcript = await openai.transcribe(audio, "audio/wav")
        assert (transcript.text, transcript.duration_s) == ("Hello there.", 1.5)
        assert transcript.transcriber == "openai:ears-1"
        (request,) = endpoint.requests
        assert request.path == "/v1/audio/transcriptions"
        assert request.authorization == f"Bearer {KEY}"
        assert wav() in request.body
        assert b'name="model"\r\n\r\nears-1' in request.body
        assert b'filename="recording.wav"' in request.body

    async def test_notes_are_requested_as_json_and_validated(
        self, endpoint: OpenAIServer, openai: OpenAI
    ):
        """The transcript is sent as the user message, and the notes name their extractor."""
        endpoint.respond_with(chat({**NOTES, "extractor": "a lie", "extra": 1}))
        notes = await openai.extract("I feel better.")
        assert notes == Notes.model_validate({**NOTES, "extractor": "openai:words-1"})
        payload = json.loads(endpoint.requests[0].body)
        assert payload["response_format"] == {"type": "json_object"}
        assert payload["messages"][-1] == {"role": "user", "content": "I feel better."}

    @pytest.mark.parametrize("status", [429, 500, 503])
    async def test_busy_endpoint_is_retried(
        self, endpoint: OpenAIServer, openai: OpenAI, status: int
    ):
        """Responses with 429 and 5xx are retried."""
        endpoint.respond_with(
            CannedResponse({}, status, {"Retry-After": "0"}),
            CannedResponse({}, status),
            chat(NOTES),
        )
        assert (await openai.extract("words")).summary == "Better."
        assert len(endpoint.requests) == 3

    async def test_retries_are_limited(self, endpoint: OpenAIServer, openai: OpenAI):
        """After a limited number of attempts the failure is temporary."""
        endpoint.respond_with(CannedResponse({}, 503))
        with pytest.raises(ProviderUnavailable, match="503"):
            await openai.extract("words")
        assert len(endpoint.requests) == ATTEMPTS

    @pytest.mark.parametrize("status", [400, 401, 404, 413])
    async def test_rejection_is_not_retried(
        self, endpoint: OpenAIServer, openai: OpenAI, status: int
    ):
        """Other 4xx responses are not retried."""
        endpoint.respond_with(CannedResponse({"error": {"message": KEY}}, status))
        with pytest.raises(ProviderRefused, match=str(status)) as refused:
            await openai.extract("words")
        assert len(endpoint.requests) == 1
        assert KEY not in str(refused.value)

    @pytest.mark.parametrize(
        "response",
        [
            chat("no JSON"),
            chat([]),
            chat({**NOTES, "mood": "splendid"}),
            chat({name: value for name, value in NOTES.items() if name != "summary"}),
            CannedResponse({"choices": []}),
            CannedResponse([]),
            CannedResponse(b"<html>"),
        ],
    )
    async def test_invalid_notes_are_rejected(
        self, endpoint: OpenAIServer, openai: OpenAI, response: CannedResponse
    ):
        """Invalid notes are a temporary failure, and the error does not quote them."""
        endpoint.respond_with(response)
        with pytest.raises(ProviderUnavailable) as failed:
            await openai.extract("a secret transcript")
        assert failed.value.__cause__ is None
        assert "secret" not in str(failed.value)

    async def test_unreachable_endpoint_is_a_temporary_failure(self, audio: Path):
        """An unreachable endpoint is a temporary failure, not an exception of the HTTP client."""
        async with OpenAI(
            "http://127.0.0.1:9", KEY, transcription_model="a", notes_model="b", backoff_s=0.001
        ) as openai:
            with pytest.raises(ProviderUnavailable, match="did not respond"):
                await openai.transcribe(audio, "audio/wav")

    async def test_recording_without_words_is_rejected(
        self, endpoint: OpenAIServer, openai: OpenAI, audio: Path
    ):
        """A recording without words is a permanent failure."""
        endpoint.respond_with(CannedResponse({"text": "  "}))
        with pytest.raises(ProviderRefused, match="no speech"):
            await openai.transcribe(audio, "audio/wav")


class TestPocketsphinx:
    """The offline transcriber."""

    async def test_recording_without_speech_is_rejected(self, audio: Path):
        """A tone is decoded and rejected, because it contains no speech."""
        with pytest.raises(ProviderRefused, match="no speech"):
            await PocketsphinxTranscriber().transcribe(audio, "audio/wav")

    @pytest.mark.parametrize("media_type", ["audio/mpeg", "audio/ogg", "audio/flac"])
    async def test_other_formats_are_rejected(self, tmp_path: Path, media_type: str):
        """Other formats than WAV are rejected with the name of a provider that supports them."""
        with pytest.raises(ProviderRefused, match=r"WAV only, not (MP3|Ogg|FLAC).*openai"):
            await PocketsphinxTranscriber().transcribe(tmp_path, media_type)

    async def test_invalid_wav_is_rejected(self, tmp_path: Path):
        """A file that only starts like a WAV file is rejected."""
        audio = tmp_path / "broken"
        await asyncio.to_thread(audio.write_bytes, b"RIFF\x24\x08\0\0WAVEfmt " + bytes(4000))
        with pytest.raises(ProviderRefused, match="not a PCM WAV"):
            await PocketsphinxTranscriber().transcribe(audio, "audio/wav")

    async def test_decoder_crash_is_a_temporary_failure(
        self, audio: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """A crash of the decoder is a temporary failure and affects its process only."""
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\nkill -SEGV $$\n")
        python.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(ProviderUnavailable, match="exited with code"):
            await PocketsphinxTranscriber().transcribe(audio, "audio/wav")

    async def test_decoder_timeout_is_a_temporary_failure(
        self, audio: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """A decoder that exceeds the timeout is killed, which is a temporary failure."""
        python = tmp_path / "python"
        python.write_text("#!/bin/sh\nexec sleep 600\n")
        python.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(ProviderUnavailable, match="took over"):
            await PocketsphinxTranscriber(timeout_s=0.2).transcribe(audio, "audio/wav")

    def test_decoder_resamples(self, tmp_path: Path):
        """A file with another sampling rate is decoded, with the correct duration."""
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
    """Conversion of WAV files for the decoder."""

    @pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
    @pytest.mark.parametrize("channels", [1, 2])
    @pytest.mark.parametrize("width_bytes", [1, 2, 3, 4])
    def test_constant_signal_is_unchanged(
        self, tmp_path: Path, rate_hz: int, channels: int, width_bytes: int
    ):
        """A constant signal keeps its level and length at any rate, width and channel count."""
        level = 64 << 8
        sample = bytes([64 + 128]) if width_bytes == 1 else b"\0" * (width_bytes - 1) + bytes([64])
        frames = sample * channels * (2 * rate_hz)
        path = _write(
            tmp_path / "a", frames, rate_hz=rate_hz, channels=channels, width_bytes=width_bytes
        )
        assert _pcm(path) == [level] * (2 * RATE_HZ)

    def test_16_khz_mono_is_unchanged(self, tmp_path: Path):
        """Samples at 16 kHz, mono and 16 bits are unchanged."""
        samples = [0, 1, -1, 32767, -32768, 1234]
        frames = struct.pack("<6h", *samples)
        path = _write(tmp_path / "a", frames, rate_hz=RATE_HZ, channels=1, width_bytes=2)
        assert _pcm(path) == samples

    def test_resampling_by_two(self, tmp_path: Path):
        """Downsampling by two averages pairs, and upsampling by two inserts averages."""
        frames = struct.pack("<4h", 0, 100, 200, 400)
        down = _write(tmp_path / "a", frames, rate_hz=2 * RATE_HZ, channels=1, width_bytes=2)
        assert _pcm(down) == [50, 300]
        up = _write(tmp_path / "b", frames, rate_hz=RATE_HZ // 2, channels=1, width_bytes=2)
        assert _pcm(up) == [0, 50, 100, 150, 200, 300, 400, 400]

    def test_unsupported_rate_is_rejected(self, tmp_path: Path):
        """A sampling rate outside of the supported range is rejected."""
        path = _write(tmp_path / "a", bytes(100), rate_hz=4000, channels=1, width_bytes=2)
        with pytest.raises(UnreadableAudio, match="4000 Hz"):
            _pcm(path)

    @given(st.binary(max_size=400))
    def test_any_file_is_read_or_rejected(self, tmp_path_factory: Any, body: bytes):  # noqa: ANN401 -- pytest's
        """A WAV header followed by any bytes is read or rejected."""
        path = tmp_path_factory.mktemp("wav") / "a"
        path.write_bytes(wav(0.01)[:20] + body)
        try:
            _pcm(path)
        except UnreadableAudio:
            return


class TestRules:
    """The rule-based extractor."""

    async def test_notes_name_the_rules(self):
        """Notes have the extractor `rules`."""
        assert (await RuleExtractor().extract("I feel fine.")).extractor == "rules"

    def test_notes_contain_matches_of_the_lists(self):
        """Topics, strategies, emotions, actions, triggers and follow-ups are found by words."""
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
    def test_mentioned_risk_is_flagged(self, text: str, flag: str):
        """Each mention of a risk is flagged, also if it is negated."""
        assert flag in extract_notes(f"It was a good week. {text} We went on.").risk_flags

    @pytest.mark.parametrize(
        ("first", "last", "trajectory"),
        [
            ("I was sad and hopeless. ", "I feel better and calm. ", "improving"),
            ("I feel better and calm. ", "I was sad and hopeless. ", "declining"),
            ("We talked. ", "We talked. ", "stable"),
        ],
    )
    def test_mood_trajectory(self, first: str, last: str, trajectory: str):
        """The mood trajectory compares the end of the transcript with its beginning."""
        assert extract_notes(first * 4 + last * 4).mood_trajectory == trajectory

    def test_transcript_without_words_is_rejected(self):
        """A transcript without words is rejected."""
        with pytest.raises(ProviderRefused):
            extract_notes(" ... \n ")

    @example("I was\0sad and hopeless.")
    @given(st.text(max_size=500))
    def test_any_text_is_extracted_or_rejected(self, text: str):
        """For any transcript with words the notes are valid, and quotes are part of it."""
        try:
            notes = extract_notes(text)
        except ProviderRefused:
            return
        assert Notes.model_validate(notes.model_dump()) == notes
        assert all(quote in text for quote in notes.quotes)
