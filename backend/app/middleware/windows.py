"""Where the counts of the rate limits are kept: storages for the `limits` library.

Each knows how to `spend` one request in a single step, which tells the count and the time left of
the window together; `limits` itself would ask for the two apart.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import asyncpg
from limits.aio.storage import Storage
from sqlalchemy import Column, DateTime, Integer, String, Table

from app.database import Base, Database

# Unlogged: the counts of the last minute need not survive a crash, and are written on each request.
rate_limits = Table(
    "rate_limits",
    Base.metadata,
    Column("key", String(200), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("resets_at", DateTime(timezone=True), nullable=False),
    prefixes=["UNLOGGED"],
)


class Window(NamedTuple):
    """A window after a request was counted in it."""

    used: int
    resets_in_s: float


class MemoryWindows(Storage):
    """Counts in this process alone.

    `limits` has such a storage too; it starts a task and looks at every key on each hit.
    """

    STORAGE_SCHEME = ["async+windows"]  # noqa: RUF012 -- `limits` demands a list

    def __init__(
        self, uri: str | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(uri)
        self._clock = clock
        self._windows: dict[str, tuple[int, float]] = {}
        self._sweep_at_len = 1024

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """A dictionary does not fail."""
        return ()

    async def spend(self, key: str, expiry_s: int, amount: int = 1) -> Window:
        """Count `amount` requests; the first after a window's end opens the next."""
        now_s = self._clock()
        count, resets_at_s = self._windows.get(key, (0, 0.0))
        if now_s >= resets_at_s:
            count, resets_at_s = 0, now_s + expiry_s
            self._sweep(now_s)
        self._windows[key] = (count + amount, resets_at_s)
        return Window(count + amount, resets_at_s - now_s)

    def _sweep(self, now_s: float) -> None:
        """Forget windows that are over, each time the number kept has doubled."""
        if len(self._windows) >= self._sweep_at_len:
            self._windows = {key: one for key, one in self._windows.items() if one[1] > now_s}
            self._sweep_at_len = max(1024, 2 * len(self._windows))

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` requests."""
        return (await self.spend(key, expiry, amount)).used

    async def get(self, key: str) -> int:
        """The count of the open window."""
        count, resets_at_s = self._windows.get(key, (0, 0.0))
        return count if self._clock() < resets_at_s else 0

    async def get_expiry(self, key: str) -> float:
        """When the open window ends, in seconds since the epoch."""
        left_s = self._windows.get(key, (0, 0.0))[1] - self._clock()
        return time.time() + max(0.0, left_s)

    async def check(self) -> bool:
        """Memory is always there."""
        return True

    async def reset(self) -> int | None:
        """Forget all counts."""
        forgotten = len(self._windows)
        self._windows.clear()
        return forgotten

    async def clear(self, key: str) -> None:
        """Forget one count."""
        self._windows.pop(key, None)


_SPEND = """
INSERT INTO rate_limits AS kept (key, count, resets_at)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN kept.resets_at <= clock_timestamp() THEN $2 ELSE kept.count + $2 END,
    resets_at = CASE WHEN kept.resets_at <= clock_timestamp()
                     THEN excluded.resets_at ELSE kept.resets_at END
RETURNING count, extract(epoch FROM resets_at - clock_timestamp())::float8
"""


class PostgresWindows(Storage):
    """Counts shared by all workers of all machines, in the service's own database.

    One statement a request, by the database's clock: workers cannot disagree about the time.
    """

    STORAGE_SCHEME = ["async+postgres"]  # noqa: RUF012 -- `limits` demands a list

    def __init__(self, uri: str | None = None, *, database: Database) -> None:
        super().__init__(uri)
        self._database = database

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What the driver raises."""
        return asyncpg.PostgresError  # type: ignore[no-any-return]  # asyncpg is untyped

    async def spend(self, key: str, expiry_s: int, amount: int = 1) -> Window:
        """Count `amount` requests; the first after a window's end opens the next."""
        async with self._database.driver() as connection:
            row = await connection.fetchrow(_SPEND, key, amount, expiry_s)
        assert row is not None
        return Window(row[0], row[1])

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` requests."""
        return (await self.spend(key, expiry, amount)).used

    async def get(self, key: str) -> int:
        """The count of the open window."""
        async with self._database.driver() as connection:
            count = await connection.fetchval(
                "SELECT count FROM rate_limits WHERE key = $1 AND resets_at > clock_timestamp()",
                key,
            )
        return count if isinstance(count, int) else 0

    async def get_expiry(self, key: str) -> float:
        """When the open window ends, in seconds since the epoch."""
        async with self._database.driver() as connection:
            epoch_s = await connection.fetchval(
                "SELECT extract(epoch FROM resets_at)::float8 FROM rate_limits WHERE key = $1", key
            )
        return epoch_s if isinstance(epoch_s, float) else time.time()

    async def check(self) -> bool:
        """Whether the table can be read."""
        async with self._database.driver() as connection:
            await connection.fetchval("SELECT count(*) FROM rate_limits")
        return True

    async def reset(self) -> int | None:
        """Forget all counts."""
        async with self._database.driver() as connection:
            status = await connection.execute("DELETE FROM rate_limits")
        return int(status.split()[-1])

    async def clear(self, key: str) -> None:
        """Forget one count."""
        async with self._database.driver() as connection:
            await connection.execute("DELETE FROM rate_limits WHERE key = $1", key)
