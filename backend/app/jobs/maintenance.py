"""Periodic maintenance: requeue stuck sessions, delete orphaned files and expired rows."""

import asyncio
import logging
import uuid
from functools import partial

from sqlalchemy import select, text

from app.audio.storage import AudioStore
from app.background import BackgroundTasks
from app.database import Database
from app.jobs.queue import EXTRACT_NOTES, TRANSCRIBE, enqueue
from app.sessions.models import TherapySession

logger = logging.getLogger(__name__)

INTERVAL_S = 600.0
ORPHAN_AGE_S = 3600.0
"""Age at which a file without a row is an orphan; far longer than an upload takes to commit."""

# A session is stuck if pgqueuer dropped its job, which happens if the database fails just then.
_STUCK = text("""
    SELECT id, entrypoint FROM (
        SELECT id, CASE WHEN status IN ('uploading', 'transcribing')
                        THEN :transcribe ELSE :extract END AS entrypoint
        FROM sessions
        WHERE status IN ('uploading', 'transcribing', 'transcribed', 'extracting_notes')
    ) AS unfinished
    WHERE NOT EXISTS (
        SELECT FROM pgqueuer WHERE dedupe_key = entrypoint || ':' || unfinished.id
    )
""")
_EXPIRED = (
    text("DELETE FROM pgqueuer_log WHERE created < now() - interval '7 days'"),
    text("DELETE FROM rate_limits WHERE resets_at < clock_timestamp()"),
)


REQUEUE, UPKEEP, EXPIRE = "requeue_stuck_sessions", "storage_upkeep", "delete_expired_rows"
TASKS = (REQUEUE, UPKEEP, EXPIRE)


def start(background: BackgroundTasks, database: Database, store: AudioStore) -> None:
    """Run each maintenance task now and every `INTERVAL_S` seconds."""
    for name, work in (
        (REQUEUE, partial(requeue_stuck_sessions, database)),
        (UPKEEP, partial(delete_orphaned_files, database, store)),
        (EXPIRE, partial(delete_expired_rows, database)),
    ):
        background.every(INTERVAL_S, name, work)


async def delete_expired_rows(database: Database) -> None:
    """Delete log rows of the queue older than 7 days, and rate limit windows that have ended."""
    async with database.session() as session:
        for statement in _EXPIRED:
            await session.execute(statement)


async def requeue_stuck_sessions(database: Database) -> int:
    """Queue a job for each unfinished session without one; return how many."""
    async with database.session() as session:
        names = {"transcribe": TRANSCRIBE, "extract": EXTRACT_NOTES}
        stuck = (await session.execute(_STUCK, names)).all()
        for session_id, entrypoint in stuck:
            await enqueue(session, entrypoint, session_id)
    if stuck:
        logger.warning("requeued %d sessions without a job", len(stuck))
    return len(stuck)


async def delete_orphaned_files(
    database: Database, store: AudioStore, *, older_than_s: float = ORPHAN_AGE_S
) -> int:
    """Delete stale temporary files and recordings without a session; return how many."""
    stale = await asyncio.to_thread(store.delete_stale_incoming, older_than_s=older_than_s)
    ids = await asyncio.to_thread(lambda: list(store.iter_session_ids(older_than_s=older_than_s)))
    existing: set[uuid.UUID] = set()
    async with database.session() as session:
        for start in range(0, len(ids), 1000):
            batch = ids[start : start + 1000]
            query = select(TherapySession.id).where(TherapySession.id.in_(batch))
            existing.update(await session.scalars(query))
    orphans = set(ids) - existing
    await asyncio.to_thread(store.remove, orphans)
    if deleted := stale + len(orphans):
        logger.info("deleted %d files without a session", deleted)
    return deleted
