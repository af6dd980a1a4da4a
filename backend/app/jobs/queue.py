"""Putting work into the queue, in the same transaction as what the work is about."""

import uuid

from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncSession

TRANSCRIBE = "transcribe"
EXTRACT_NOTES = "extract_notes"


async def enqueue(session: AsyncSession, entrypoint: str, session_id: uuid.UUID) -> bool:
    """Queue one job for a therapy session; it exists if and when the transaction commits.

    Call it after a statement of the transaction: that one sends the BEGIN.

    Returns:
        False when the same job is queued or running already; there is never a second one.
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
