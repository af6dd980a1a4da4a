"""What happens to a session after its upload: transcription, then notes.

Each step ends in one transaction that stores what it made, sets the next state and queues the next
step, so that there is no moment at which a killed worker could lose one. A step may run twice, and
finds then that it has nothing to do.
"""

import uuid
from typing import Any

from sqlalchemy import Update, update

from app.audio.storage import AudioStore
from app.database import Database
from app.jobs.queue import EXTRACT_NOTES, enqueue
from app.notes.repository import put_notes
from app.providers.choose import Providers
from app.sessions.models import Status, TherapySession


class Pipeline:
    """The steps, over one database and one set of providers."""

    def __init__(self, database: Database, store: AudioStore, providers: Providers) -> None:
        self._database = database
        self._store = store
        self._providers = providers

    async def transcribe(self, session_id: uuid.UUID) -> None:
        """Turn the recording into a transcript.

        Raises:
            ProviderError: It cannot be done, now or ever.
        """
        waiting = (Status.UPLOADING, Status.TRANSCRIBING)
        media_type = await self._begin(
            _moved(session_id, waiting, status=Status.TRANSCRIBING), TherapySession.media_type
        )
        if media_type is None:
            return
        made = await self._providers.transcriber.transcribe(
            self._store.path(session_id), media_type
        )
        done = _moved(
            session_id,
            (Status.TRANSCRIBING,),
            status=Status.TRANSCRIBED,
            transcript=made.text,
            transcriber=made.transcriber,
            duration_s=made.duration_s,
        )
        async with self._database.session() as session:
            await session.execute(done)
            await enqueue(session, EXTRACT_NOTES, session_id)

    async def extract_notes(self, session_id: uuid.UUID) -> None:
        """Turn the transcript into notes.

        Raises:
            ProviderError: It cannot be done, now or ever.
        """
        waiting = (Status.TRANSCRIBED, Status.EXTRACTING_NOTES)
        transcript = await self._begin(
            _moved(session_id, waiting, status=Status.EXTRACTING_NOTES), TherapySession.transcript
        )
        if transcript is None:
            return
        notes = await self._providers.extractor.extract(transcript)
        async with self._database.session() as session:
            await session.execute(
                _moved(session_id, (Status.EXTRACTING_NOTES,), status=Status.PROCESSED)
            )
            await put_notes(session, session_id, notes)

    async def fail(self, session_id: uuid.UUID, reason: str) -> None:
        """Give a session up, saying why."""
        unfinished = tuple(set(Status) - {Status.PROCESSED, Status.FAILED})
        async with self._database.session() as session:
            await session.execute(
                _moved(session_id, unfinished, status=Status.FAILED, failure_reason=reason)
            )

    async def _begin(self, statement: Update, column: Any) -> str | None:  # noqa: ANN401 -- a column
        async with self._database.session() as session:
            found: str | None = await session.scalar(statement.returning(column))
            return found


def _moved(
    session_id: uuid.UUID,
    states: tuple[Status, ...],
    **values: Any,  # noqa: ANN401 -- column values
) -> Update:
    """Change a session that is in one of these states, and no other."""
    return (
        update(TherapySession)
        .where(TherapySession.id == session_id, TherapySession.status.in_(states))
        .values(**values)
        .execution_options(synchronize_session=False)
    )
