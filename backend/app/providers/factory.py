"""Creation of the providers that the settings select."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.providers.base import NoteExtractor, Transcriber
from app.providers.openai import OpenAI
from app.providers.rules import RuleExtractor
from app.providers.sphinx import PocketsphinxTranscriber
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Providers:
    """One transcriber and one note extractor."""

    transcriber: Transcriber
    extractor: NoteExtractor


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """Open the providers of `settings`; close them at the end of the context."""
    decoder = PocketsphinxTranscriber(memory_bytes=settings.decoder_memory_bytes)
    offline = Providers(decoder, RuleExtractor())
    if settings.openai_api_key is None:
        yield offline
        return
    async with OpenAI(
        settings.openai_base_url,
        settings.openai_api_key.get_secret_value(),
        transcription_model=settings.openai_transcription_model,
        notes_model=settings.openai_notes_model,
    ) as openai:
        yield Providers(
            openai if settings.transcriber == "openai" else offline.transcriber,
            openai if settings.note_extractor == "openai" else offline.extractor,
        )
