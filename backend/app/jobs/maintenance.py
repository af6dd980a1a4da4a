"""Periodic maintenance: requeue stuck sessions, tidy the storage, delete expired rows."""

import asyncio
import logging
import uuid
from collections.abc import Collection
from functools import partial

from sqlalchemy import select, text

from app.audio.owner import StorageOwner
from app.audio.storage import AudioStore
from app.background import BackgroundTasks
from app.database import Database
from app.jobs.queue import EXTRACT_NOTES, TRANSCRIBE, enqueue
from app.metrics import storage_metrics
from app.sessions.models import TherapySession
from app.settings import Settings

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


REQUEUE, TIDY, EXPIRE = "requeue_stuck_sessions", "tidy_storage", "delete_expired_rows"
TASKS = (REQUEUE, TIDY, EXPIRE)


def start(
    background: BackgroundTasks, database: Database, store: AudioStore, settings: Settings
) -> None:
    """Run each maintenance task now and every `INTERVAL_S` seconds."""
    tidy = partial(
        tidy_storage,
        *(database, store, StorageOwner(settings, database)),
        keep_orphans_s=settings.orphaned_audio_days * 86400,
    )
    for name, work in (
        (REQUEUE, partial(requeue_stuck_sessions, database)),
        (TIDY, tidy),
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


async def tidy_storage(
    database: Database,
    store: AudioStore,
    owner: StorageOwner,
    *,
    older_than_s: float = ORPHAN_AGE_S,
    keep_orphans_s: float,
) -> None:
    """Delete stale temporary files, and set recordings without a session aside.

    Recordings that were set aside are moved back if a session has appeared for them, for example
    because the database was restored, and else deleted at the end of their retention.

    Args:
        database: The database of the sessions.
        store: The recordings.
        owner: Checked first, so that recordings of another database are left alone.
        older_than_s: Least age of a file, in seconds.
        keep_orphans_s: Retention of recordings that were set aside, in seconds.

    Raises:
        ForeignStorage: The storage belongs to another database.
    """
    await owner.check()
    stale = await asyncio.to_thread(store.delete_stale_incoming, older_than_s=older_than_s)
    stored = await asyncio.to_thread(lambda: set(store.iter_session_ids(older_than_s=older_than_s)))
    orphans = stored - await _existing(database, stored)
    await asyncio.to_thread(store.set_aside, orphans)
    found = await _existing(database, await asyncio.to_thread(store.orphaned_ids))
    await asyncio.to_thread(store.restore, found)
    deleted = await asyncio.to_thread(store.delete_orphaned, older_than_s=keep_orphans_s)
    storage_metrics.on_tidied(set_aside=len(orphans), restored=len(found), deleted=deleted)
    if orphans or found or deleted or stale:
        logger.warning(
            "recordings without a session: %d set aside, %d restored, %d deleted;"
            " %d unfinished files deleted",
            *(len(orphans), len(found), deleted, stale),
        )


async def _existing(database: Database, ids: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of the ids that have a session."""
    existing: set[uuid.UUID] = set()
    ordered = list(ids)
    async with database.session() as session:
        for start in range(0, len(ordered), 1000):
            batch = ordered[start : start + 1000]
            query = select(TherapySession.id).where(TherapySession.id.in_(batch))
            existing.update(await session.scalars(query))
    return existing
