"""Odd responses of a provider, which cost neither an attempt nor a session."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from app.providers.base import ProviderUnavailable
from app.providers.openai import OpenAI
from openai_server import CannedResponse, OpenAIServer, chat
from recordings import wav

LISTS = (
    *("key_topics", "strategies", "emotional_themes", "triggers", "action_items", "quotes"),
    *("follow_ups", "risk_flags"),
)
NOTES = {"summary": "Better.", "mood": "neutral", "mood_trajectory": "stable"} | {
    name: [] for name in LISTS
}


@pytest.fixture
def endpoint() -> Iterator[OpenAIServer]:
    """A local endpoint."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
async def openai(endpoint: OpenAIServer) -> AsyncIterator[OpenAI]:
    """A provider on the local endpoint that retries without delay."""
    models = {"transcription_model": "ears", "notes_model": "words"}
    async with OpenAI(endpoint.url, "sk-made-up", backoff_s=0.0, **models) as provider:
        yield provider


@pytest.mark.parametrize("value", ["\xb2", "soon", "-1", "1.5"])
async def test_odd_retry_after_is_ignored(endpoint: OpenAIServer, openai: OpenAI, value: str):
    """A Retry-After that is no number of seconds does not end the attempt."""
    endpoint.respond_with(CannedResponse({}, 503, {"Retry-After": value}), chat(NOTES))
    assert (await openai.extract("words")).summary == "Better."


async def test_transcript_can_be_stored(endpoint: OpenAIServer, openai: OpenAI, tmp_path: Path):
    """Characters that PostgreSQL cannot store are replaced, not transcribed again."""
    audio = tmp_path / "recording"
    audio.write_bytes(wav())
    endpoint.respond_with(CannedResponse({"text": "a\0b\ud800c"}))
    transcript = await openai.transcribe(audio, "audio/wav")
    assert transcript.text == "a\ufffdb?c"


@pytest.mark.parametrize("notes", [{"summary": "a\0"}, {"quotes": ["a\0"]}])
async def test_notes_that_cannot_be_stored_are_refused(
    endpoint: OpenAIServer, openai: OpenAI, notes: dict[str, object]
):
    """Notes with a NUL are not valid, so the reason of the failure names the endpoint."""
    endpoint.respond_with(chat(NOTES | notes))
    with pytest.raises(ProviderUnavailable, match="notes that are not valid"):
        await openai.extract("words")
