"""Numbers of waiting and finished jobs for /metrics, read from the queue's tables.

The reader has its own database connection: it works when the pool is exhausted, and does not
count as a pool user. It works without a job worker, so jobs that wait for one are visible.
"""

import asyncio
from typing import Any, NamedTuple

import asyncpg

from app import pooler
from app.settings import Settings

_TIMEOUT_S = 1.0

# Rows of the log get their id when they are inserted, and become visible when they are committed,
# possibly in another order. Rows older than `_SETTLED` are complete and are counted only once.
_SETTLED = "5 seconds"
_FINISHED = "status IN ('successful', 'exception', 'canceled', 'deleted', 'failed')"
_QUERY = f"""
    SELECT (SELECT count(*) FROM pgqueuer WHERE status = 'queued') AS waiting,
           count(*) FILTER (WHERE {_FINISHED}) AS recent,
           count(*) FILTER (WHERE {_FINISHED} AND created < now() - interval '{_SETTLED}')
               AS settled,
           max(id) FILTER (WHERE created < now() - interval '{_SETTLED}') AS settled_id
    FROM pgqueuer_log WHERE id > $1
"""  # noqa: S608 -- made of constants


class QueueStats(NamedTuple):
    """Jobs that have not started, and jobs that have finished or failed."""

    waiting: int
    done: int


class QueueStatsReader:
    """Reads statistics from the queue's tables."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: Any = None  # of asyncpg, which is untyped
        self._lock = asyncio.Lock()
        self._settled, self._settled_id = 0, 0

    async def read(self) -> QueueStats | None:
        """Count the jobs; None if the database does not respond within 1 s or has no queue."""
        async with self._lock:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    return await self._query()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.close()
                return None

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()  # no transaction is open

    async def _query(self) -> QueueStats:
        if self._connection is None:
            self._connection = await pooler.connect(
                self._settings, "therapybridge-metrics", asyncpg.Connection
            )
        row = await self._connection.fetchrow(_QUERY, self._settled_id)
        stats = QueueStats(row["waiting"], self._settled + row["recent"])
        if row["settled_id"] is not None:
            self._settled += row["settled"]
            self._settled_id = row["settled_id"]
        return stats
