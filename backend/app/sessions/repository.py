"""Sessions in the database, always seen through the therapist whose they are."""

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
    """One whole session, locked until the transaction ends if asked for.

    Raises:
        NotFound: There is none of this id, or it is another therapist's.
    """
    query = select(TherapySession).where(
        TherapySession.id == session_id, TherapySession.therapist_id == therapist_id
    )
    if lock:
        query = query.with_for_update()
    found = (await session.scalars(query)).one_or_none()
    if found is None:
        raise NotFound("There is no such session.")
    return found


async def change_session(
    session: AsyncSession, changed: TherapySession, fields: Mapping[str, Any]
) -> TherapySession:
    """Set fields of a session."""
    for name, value in fields.items():
        setattr(changed, name, value)
    await session.flush()
    await session.refresh(changed)
    return changed
