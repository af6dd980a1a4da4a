"""Database queries for sessions, always restricted to their therapist."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.sessions.models import TherapySession


async def get_session(
    session: AsyncSession, therapist_id: uuid.UUID, session_id: uuid.UUID, *, lock: bool = False
) -> TherapySession:
    """Return one session, with `lock` locked until the end of the transaction.

    Raises:
        NotFound: The session does not exist or belongs to another therapist.
    """
    query = select(TherapySession).where(
        TherapySession.id == session_id, TherapySession.therapist_id == therapist_id
    )
    if lock:
        query = query.with_for_update()
    record = (await session.scalars(query)).one_or_none()
    if record is None:
        raise NotFound("The session does not exist.")
    return record


async def change_session(
    session: AsyncSession, record: TherapySession, fields: Mapping[str, Any]
) -> TherapySession:
    """Set fields of a session."""
    for name, value in fields.items():
        setattr(record, name, value)
    await session.flush()
    await session.refresh(record)
    return record
