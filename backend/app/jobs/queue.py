"""Queueing of jobs, in the same transaction as the data they process."""

import uuid

from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncSession

TRANSCRIBE = "transcribe"
EXTRACT_NOTES = "extract_notes"


async def enqueue(session: AsyncSession, entrypoint: str, session_id: uuid.UUID) -> bool:
    """Queue a job for a therapy session as part of the current transaction.

    Must be called after another statement, because that statement sends the BEGIN.

    Returns:
        False if the same job is already queued or running; duplicates are not queued.
    """
    assert session.in_transaction()
    connection = await (await session.connection()).get_raw_connection()
    queries = Queries.from_asyncpg_connection(connection.driver_connection)
    ids = await queries.enqueue(
        entrypoint,
        session_id.bytes,
        dedupe_key=f"{entrypoint}:{session_id}",
        on_conflict="skip",
    )
    return ids[0] is not None
