"""Processing of a session after its upload: transcription, then notes.

Each step ends in one transaction that stores its output, sets the next status and queues the next
step, so a killed worker loses nothing. Steps are idempotent: a step that has run does nothing.
"""

import uuid
from typing import Any

from sqlalchemy import Update, update

from app.audio.storage import AudioStore
from app.database import Database
from app.jobs.queue import EXTRACT_NOTES, enqueue
from app.notes.repository import put_notes
from app.providers.factory import Providers
from app.sessions.models import Status, TherapySession


class Pipeline:
    """The processing steps, on one database and one set of providers."""

    def __init__(self, database: Database, store: AudioStore, providers: Providers) -> None:
        self._database = database
        self._store = store
        self._providers = providers

    async def transcribe(self, session_id: uuid.UUID) -> None:
        """Transcribe the recording of a session.

        Raises:
            ProviderError: The provider failed, temporarily or permanently.
        """
        pending = (Status.UPLOADING, Status.TRANSCRIBING)
        media_type = await self._start(
            _transition(session_id, pending, status=Status.TRANSCRIBING), TherapySession.media_type
        )
        if media_type is None:
            return
        transcript = await self._providers.transcriber.transcribe(
            self._store.path(session_id), media_type
        )
        transition = _transition(
            session_id,
            (Status.TRANSCRIBING,),
            status=Status.TRANSCRIBED,
            transcript=transcript.text,
            transcriber=transcript.transcriber,
            duration_s=transcript.duration_s,
        )
        async with self._database.session() as session:
            await session.execute(transition)
            await enqueue(session, EXTRACT_NOTES, session_id)

    async def extract_notes(self, session_id: uuid.UUID) -> None:
        """Extract notes from the transcript of a session.

        Raises:
            ProviderError: The provider failed, temporarily or permanently.
        """
        pending = (Status.TRANSCRIBED, Status.EXTRACTING_NOTES)
        transcript = await self._start(
            _transition(session_id, pending, status=Status.EXTRACTING_NOTES),
            TherapySession.transcript,
        )
        if transcript is None:
            return
        notes = await self._providers.extractor.extract(transcript)
        async with self._database.session() as session:
            await session.execute(
                _transition(session_id, (Status.EXTRACTING_NOTES,), status=Status.PROCESSED)
            )
            await put_notes(session, session_id, notes)

    async def fail(self, session_id: uuid.UUID, reason: str) -> None:
        """Mark a session as failed, with a reason."""
        unfinished = tuple(set(Status) - {Status.PROCESSED, Status.FAILED})
        async with self._database.session() as session:
            await session.execute(
                _transition(session_id, unfinished, status=Status.FAILED, failure_reason=reason)
            )

    async def _start(self, statement: Update, column: Any) -> str | None:  # noqa: ANN401 -- a column
        async with self._database.session() as session:
            value: str | None = await session.scalar(statement.returning(column))
            return value


def _transition(
    session_id: uuid.UUID,
    states: tuple[Status, ...],
    **values: Any,  # noqa: ANN401 -- column values
) -> Update:
    """Build an update of a session that applies in these states only."""
    return (
        update(TherapySession)
        .where(TherapySession.id == session_id, TherapySession.status.in_(states))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
