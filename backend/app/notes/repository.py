"""Database queries for notes."""

import uuid

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import func

from app.notes.models import SessionNotes
from app.notes.schemas import Notes
from app.sessions.models import TherapySession


async def get_notes(
    session: AsyncSession, therapist_id: uuid.UUID, session_id: uuid.UUID
) -> SessionNotes | None:
    """Return the notes of a session; None if it has none or belongs to another therapist."""
    query = (
        select(SessionNotes)
        .join(TherapySession, TherapySession.id == SessionNotes.session_id)
        .where(SessionNotes.session_id == session_id, TherapySession.therapist_id == therapist_id)
    )
    return (await session.scalars(query)).one_or_none()


async def put_notes(session: AsyncSession, session_id: uuid.UUID, notes: Notes) -> None:
    """Store the notes of a session, replacing earlier ones."""
    row = insert(SessionNotes).values(session_id=session_id, content=notes.model_dump())
    await session.execute(
        row.on_conflict_do_update(
            index_elements=[SessionNotes.session_id],
            set_={"content": row.excluded.content, "created_at": func.now()},
        )
    )
