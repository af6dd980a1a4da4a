"""The processing steps of the job worker, for tests that run them directly."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from app.audio.storage import AudioStore
from app.jobs.pipeline import Pipeline
from app.notes.schemas import Notes
from app.providers.base import Transcript
from app.providers.factory import Providers
from fastapi import FastAPI


@dataclass
class CannedProviders:
    """Transcriber and note extractor that return or raise predefined values."""

    transcript: Transcript | Exception | None = None
    notes: Notes | Exception | None = None
    calls: list[str] = field(default_factory=list)

    async def transcribe(self, audio: Path, media_type: str) -> Transcript:
        """Return or raise the predefined transcript."""
        assert await asyncio.to_thread(audio.exists)
        self.calls.append(media_type)
        assert self.transcript is not None
        if isinstance(self.transcript, Exception):
            raise self.transcript
        return self.transcript

    async def extract(self, transcript: str) -> Notes:
        """Return or raise the predefined notes."""
        self.calls.append(transcript)
        assert self.notes is not None
        if isinstance(self.notes, Exception):
            raise self.notes
        return self.notes


def pipeline_of(app: FastAPI, providers: Providers) -> Pipeline:
    """Create a pipeline on the database and the files of a running service."""
    state = app.state
    return Pipeline(state.database, AudioStore(state.settings.storage_dir), providers)
