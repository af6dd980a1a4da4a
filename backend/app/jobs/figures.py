"""How many jobs wait and how many have ended, for /metrics: the queue's tables know.

Asked over a connection of its own: a pool that is exhausted must not hide what the queue does, and
to ask must not look like a request to the pool. No worker is needed for it, so that jobs which
nobody runs are seen to wait.
"""

import asyncio
from typing import NamedTuple

import asyncpg

from app.settings import Settings

_TIMEOUT_S = 1.0

# Log lines are numbered when they are written and seen when they are committed, which may be in
# another order. After `_SETTLED` none is missing, so older ones are counted once and for all.
_SETTLED = "5 seconds"
_ENDED = "status IN ('successful', 'exception', 'canceled', 'deleted', 'failed')"
_LOOK = f"""
    SELECT (SELECT count(*) FROM pgqueuer WHERE status = 'queued') AS waiting,
           count(*) FILTER (WHERE {_ENDED}) AS recent,
           count(*) FILTER (WHERE {_ENDED} AND created < now() - interval '{_SETTLED}') AS settled,
           max(id) FILTER (WHERE created < now() - interval '{_SETTLED}') AS settled_id
    FROM pgqueuer_log WHERE id > $1
"""  # noqa: S608 -- of constants


class JobFigures(NamedTuple):
    """Jobs that nobody has begun, and jobs that are over, well or not."""

    waiting: int
    done: int


class JobQueue:
    """Looks at the queue's tables."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._settled, self._settled_id = 0, 0

    async def figures(self) -> JobFigures | None:
        """Count; None when the database does not answer soon, or has no queue."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    return await self._look()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await self.close()
                return None

    async def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()  # nothing of it is worth waiting for

    async def _look(self) -> JobFigures:
        if self._connection is None:
            self._connection = await asyncpg.connect(
                self._settings.driver_url,
                server_settings={"application_name": "therapybridge-metrics"},
            )
        row = await self._connection.fetchrow(_LOOK, self._settled_id)
        figures = JobFigures(row["waiting"], self._settled + row["recent"])
        if row["settled_id"] is not None:
            self._settled += row["settled"]
            self._settled_id = row["settled_id"]
        return figures
