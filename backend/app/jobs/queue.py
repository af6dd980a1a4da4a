"""Queueing of jobs, in the same transaction as the data they process."""

import uuid

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

TRANSCRIBE = "transcribe"
EXTRACT_NOTES = "extract_notes"

# pgqueuer's own statement does not know the therapist, whose turns the claim counts.
_ENQUEUE = text("""
    WITH added AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, therapist_id, status)
        SELECT 0, :entrypoint, uuid_send(id), :entrypoint || ':' || id, therapist_id, 'queued'
        FROM sessions WHERE id = :session_id
        ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL
        DO NOTHING
        RETURNING id, entrypoint, priority
    )
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM added
    RETURNING job_id
""")


async def enqueue(session: AsyncSession, entrypoint: str, session_id: uuid.UUID) -> bool:
    """Queue a job for a therapy session as part of the current transaction.

    Returns:
        False if the same job is already queued or running; duplicates are not queued.
    """
    values = {"entrypoint": entrypoint, "session_id": session_id}
    return await session.scalar(_ENQUEUE, values) is not None
