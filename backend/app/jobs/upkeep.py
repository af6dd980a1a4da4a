"""What the worker tidies now and then, so that nothing is stuck and nothing is left lying about."""

import asyncio
import logging
import uuid

from sqlalchemy import select, text

from app.audio.storage import AudioStore
from app.database import Database
from app.jobs.queue import EXTRACT_NOTES, TRANSCRIBE, enqueue
from app.sessions.models import TherapySession

logger = logging.getLogger(__name__)

EVERY_S = 600.0
ORPHAN_AGE_S = 3600.0
"""An hour: far longer than any upload takes between its file and its row."""

# Only a job that pgqueuer itself gave up (the database failed at the very moment) leaves one.
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
_OUTDATED = (
    text("DELETE FROM pgqueuer_log WHERE created < now() - interval '7 days'"),
    text("DELETE FROM rate_limits WHERE resets_at < clock_timestamp()"),
)


async def keep_tidy(database: Database, store: AudioStore) -> None:
    """Do all of it, again and again."""
    while True:
        await requeue_stuck(database)
        await sweep_files(database, store)
        await forget_outdated(database)
        await asyncio.sleep(EVERY_S)


async def forget_outdated(database: Database) -> None:
    """Delete rows that nobody will ask for again: old log lines, rate limit windows that ended."""
    async with database.session() as session:
        for statement in _OUTDATED:
            await session.execute(statement)


async def requeue_stuck(database: Database) -> int:
    """Queue a job for each unfinished session that has none; return how many."""
    async with database.session() as session:
        names = {"transcribe": TRANSCRIBE, "extract": EXTRACT_NOTES}
        stuck = (await session.execute(_STUCK, names)).all()
        for session_id, entrypoint in stuck:
            await enqueue(session, entrypoint, session_id)
    if stuck:
        logger.warning("queued %d sessions again that had no job", len(stuck))
    return len(stuck)


async def sweep_files(
    database: Database, store: AudioStore, *, older_than_s: float = ORPHAN_AGE_S
) -> int:
    """Delete recordings whose row was never committed, and unfinished ones; return how many."""
    unfinished = await asyncio.to_thread(store.sweep_incoming, older_than_s=older_than_s)
    kept = await asyncio.to_thread(lambda: list(store.stored(older_than_s=older_than_s)))
    known: set[uuid.UUID] = set()
    async with database.session() as session:
        for start in range(0, len(kept), 1000):
            batch = kept[start : start + 1000]
            query = select(TherapySession.id).where(TherapySession.id.in_(batch))
            known.update(await session.scalars(query))
    orphans = set(kept) - known
    await asyncio.to_thread(store.remove, orphans)
    if swept := unfinished + len(orphans):
        logger.info("swept %d files without a session", swept)
    return swept
