"""Rate limit storages for the `limits` library, in memory and in PostgreSQL.

`hit` counts a request and returns the count and the remaining time of the window in one step;
`limits` itself would query them separately.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import asyncpg
from limits.aio.storage import Storage

from app.database import Database


class Window(NamedTuple):
    """State of a window after a request was counted.

    Attributes:
        used: Requests counted in the window.
        resets_in_s: Seconds to the end of the window.
    """

    used: int
    resets_in_s: float


class MemoryStorage(Storage):
    """Counters in the memory of this process.

    Cheaper than the memory storage of `limits`, which starts a task and visits every key on a hit.
    """

    STORAGE_SCHEME = ["async+process"]  # noqa: RUF012 -- `limits` requires a list

    def __init__(
        self, uri: str | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(uri)
        self._clock = clock
        self._windows: dict[str, tuple[int, float]] = {}
        self._cleanup_at_len = 1024

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Exceptions of the backend: none."""
        return ()

    async def hit(self, key: str, expiry_s: int, amount: int = 1) -> Window:
        """Count `amount` requests; the first after the end of a window opens the next."""
        now_s = self._clock()
        count, resets_at_s = self._windows.get(key, (0, 0.0))
        if now_s >= resets_at_s:
            count, resets_at_s = 0, now_s + expiry_s
            self._delete_expired(now_s)
        self._windows[key] = (count + amount, resets_at_s)
        return Window(count + amount, resets_at_s - now_s)

    def _delete_expired(self, now_s: float) -> None:
        """Delete expired windows each time their number has doubled."""
        if len(self._windows) >= self._cleanup_at_len:
            self._windows = {key: item for key, item in self._windows.items() if item[1] > now_s}
            self._cleanup_at_len = max(1024, 2 * len(self._windows))

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` requests and return the count."""
        return (await self.hit(key, expiry, amount)).used

    async def get(self, key: str) -> int:
        """Return the count of the current window."""
        count, resets_at_s = self._windows.get(key, (0, 0.0))
        return count if self._clock() < resets_at_s else 0

    async def get_expiry(self, key: str) -> float:
        """Return the end of the current window in seconds since the epoch."""
        remaining_s = self._windows.get(key, (0, 0.0))[1] - self._clock()
        return time.time() + max(0.0, remaining_s)

    async def check(self) -> bool:
        """Return True: memory is always available."""
        return True

    async def reset(self) -> int | None:
        """Delete all counters and return how many there were."""
        deleted = len(self._windows)
        self._windows.clear()
        return deleted

    async def clear(self, key: str) -> None:
        """Delete one counter."""
        self._windows.pop(key, None)


_HIT = """
INSERT INTO rate_limits AS stored (key, count, resets_at)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN stored.resets_at <= clock_timestamp() THEN $2 ELSE stored.count + $2 END,
    resets_at = CASE WHEN stored.resets_at <= clock_timestamp()
                     THEN excluded.resets_at ELSE stored.resets_at END
RETURNING count, extract(epoch FROM resets_at - clock_timestamp())::float8
"""


class PostgresStorage(Storage):
    """Counters in the service's database, shared by all workers on all machines.

    One statement per request, based on the database's clock, so all workers agree on the time.
    """

    STORAGE_SCHEME = ["async+postgres"]  # noqa: RUF012 -- `limits` requires a list

    def __init__(self, uri: str | None = None, *, database: Database) -> None:
        super().__init__(uri)
        self._database = database

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Exceptions of the driver."""
        return asyncpg.PostgresError  # type: ignore[no-any-return]  # asyncpg is untyped

    async def hit(self, key: str, expiry_s: int, amount: int = 1) -> Window:
        """Count `amount` requests; the first after the end of a window opens the next."""
        async with self._database.driver_connection() as connection:
            row = await connection.fetchrow(_HIT, key, amount, expiry_s)
        assert row is not None
        return Window(row[0], row[1])

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` requests and return the count."""
        return (await self.hit(key, expiry, amount)).used

    async def get(self, key: str) -> int:
        """Return the count of the current window."""
        async with self._database.driver_connection() as connection:
            count = await connection.fetchval(
                "SELECT count FROM rate_limits WHERE key = $1 AND resets_at > clock_timestamp()",
                key,
            )
        return count if isinstance(count, int) else 0

    async def get_expiry(self, key: str) -> float:
        """Return the end of the current window in seconds since the epoch."""
        async with self._database.driver_connection() as connection:
            epoch_s = await connection.fetchval(
                "SELECT extract(epoch FROM resets_at)::float8 FROM rate_limits WHERE key = $1", key
            )
        return epoch_s if isinstance(epoch_s, float) else time.time()

    async def check(self) -> bool:
        """Check that the table can be read."""
        async with self._database.driver_connection() as connection:
            await connection.fetchval("SELECT count(*) FROM rate_limits")
        return True

    async def reset(self) -> int | None:
        """Delete all counters and return how many there were."""
        async with self._database.driver_connection() as connection:
            status = await connection.execute("DELETE FROM rate_limits")
        return int(status.split()[-1])

    async def clear(self, key: str) -> None:
        """Delete one counter."""
        async with self._database.driver_connection() as connection:
            await connection.execute("DELETE FROM rate_limits WHERE key = $1", key)
