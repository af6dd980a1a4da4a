"""Counters of the rate limits."""

import hashlib
import math
import multiprocessing
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

import psutil
from fastapi import Request
from limits import RateLimitItem
from limits import parse as parse_rate
from limits.aio.storage import Storage
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from app.auth.tokens import AccessTokens, bearer_token
from app.client_address import sender
from app.context import current_request
from app.database import Database
from app.errors import RateLimited, Unauthorized, Unavailable
from app.middleware.rate_limit_storage import MemoryStorage, PostgresStorage, Window
from app.settings import Settings, SettingsError

T = TypeVar("T")
REDIS_TIMEOUT_S = 1.0
"""Longest wait for Redis, and once more for the retry; together as long as a request waits for a
database connection (`DB_POOL_TIMEOUT`)."""
MAX_KEY_LENGTH = 200
"""Length of the key column in PostgreSQL. Longer keys are hashed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate and the name under which it is counted.

    Attributes:
        rate: A rate such as "100/minute", or the name of a rate in the settings.
        scope: Name under which requests are counted.
    """

    rate: str
    scope: str


@dataclass(frozen=True, slots=True)
class _Limit:
    item: RateLimitItem
    expiry_s: int
    header: tuple[bytes, bytes]


class RateLimits:
    """The rate limits of a running app.

    If their storage is unavailable, requests to limited operations get a 503: without counters a
    password could be guessed at any speed.
    """

    def __init__(self, settings: Settings, tokens: AccessTokens, database: Database) -> None:
        self._settings = settings
        self._tokens = tokens
        self._limits: dict[Rate, _Limit] = {}
        self.storage = _open_storage(settings.rate_limit_storage, database)
        self.shared = not isinstance(self.storage, MemoryStorage)
        self.warning = _warning(self.storage)

    async def hit(self, rate: Rate, key: str) -> None:
        """Count a request, and set the `RateLimit-*` headers of its response.

        Raises:
            RateLimited: The limit is exceeded.
            Unavailable: The storage of the counters is unavailable.
        """
        limit = self._limit(rate)
        window = await self._increment(_storage_key(rate, key), limit.expiry_s)
        _apply(limit, window, is_exceeded=window.used > limit.item.amount, is_counted=True)

    async def check(self, rate: Rate, key: str) -> None:
        """Refuse a request if what `count` has counted fills the limit.

        Sets the headers, unless those of another limit are set and the request is not refused.

        Raises:
            RateLimited: The limit is reached.
            Unavailable: The storage of the counters is unavailable.
        """
        limit = self._limit(rate)
        window = await self._read(_storage_key(rate, key), limit.expiry_s)
        _apply(limit, window, is_exceeded=window.used >= limit.item.amount, is_counted=False)

    async def count(self, rate: Rate, key: str) -> None:
        """Count an event for `check` and `counted`.

        Raises:
            Unavailable: The storage of the counters is unavailable.
        """
        await self._increment(_storage_key(rate, key), self._limit(rate).expiry_s)

    async def counted(self, rate: Rate, key: str) -> int:
        """Return the number of events in the current window.

        Raises:
            Unavailable: The storage of the counters is unavailable.
        """
        return (await self._read(_storage_key(rate, key), self._limit(rate).expiry_s)).used

    async def _increment(self, key: str, expiry_s: int) -> Window:
        storage = self.storage
        if isinstance(storage, MemoryStorage | PostgresStorage):
            return await storage.hit(key, expiry_s)
        count = await _available(storage.incr(key, expiry_s))
        resets_in_s = await _available(storage.get_expiry(key)) - time.time()
        # Redis rounds to whole seconds. Add one, so that `Retry-After` is never too short.
        return Window(count, resets_in_s + 1)

    async def _read(self, key: str, expiry_s: int) -> Window:
        count = await _available(self.storage.get(key))
        if count == 0:
            return Window(0, expiry_s)
        resets_in_s = await _available(self.storage.get_expiry(key)) - time.time()
        return Window(
            count,
            resets_in_s
            if isinstance(self.storage, MemoryStorage | PostgresStorage)
            else resets_in_s + 1,
        )

    def _limit(self, rate: Rate) -> _Limit:
        limit = self._limits.get(rate)
        if limit is None:
            item = parse_rate(getattr(self._settings, f"rate_limit_{rate.rate}", rate.rate))
            limit = _Limit(item, item.get_expiry(), (b"ratelimit-limit", b"%d" % item.amount))
            self._limits[rate] = limit
        return limit

    def client_key(self, request: Request) -> str:
        """Return the key of the user of the token, or of the address without a valid one."""
        try:
            return f"user:{self._tokens.verify(bearer_token(request)).id.hex}"
        except Unauthorized:
            return address_key(request)


def _apply(limit: _Limit, window: Window, *, is_exceeded: bool, is_counted: bool) -> None:
    """Set the headers of the response; refuse the request if the limit is exceeded."""
    resets_in = str(max(1, math.ceil(window.resets_in_s)))
    context = current_request.get()
    if context is not None and (is_exceeded or is_counted or not context.headers):
        context.headers = [
            limit.header,
            (b"ratelimit-remaining", b"%d" % max(0, limit.item.amount - window.used)),
            (b"ratelimit-reset", resets_in.encode()),
        ]
    if is_exceeded:
        raise RateLimited(
            f"The limit is {limit.item}. Try again in {resets_in} s.",
            headers={"Retry-After": resets_in},
        )


async def _available(operation: Awaitable[T]) -> T:
    try:
        return await operation
    except (StorageError, OSError) as error:
        raise Unavailable(
            "The rate limit storage is unavailable.", code="rate_limit_unavailable"
        ) from error


def _storage_key(rate: Rate, key: str) -> str:
    full = f"{rate.scope}:{key}"
    return full if len(full) <= MAX_KEY_LENGTH else hash_key(full)


def hash_key(text: str) -> str:
    """Hash text for use in a key, so that neither its length nor its content is stored."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def address_key(request: Request) -> str:
    """Return the key of the client's address; addresses of one IPv6 network share one."""
    return f"address:{sender(request.scope['client'][0])}"


def _open_storage(location: str, database: Database) -> Storage:
    if location == "memory":
        return MemoryStorage()
    if location == "postgres":
        return PostgresStorage(database=database)
    options: dict[str, Any] = {
        "socket_timeout": REDIS_TIMEOUT_S,
        "socket_connect_timeout": REDIS_TIMEOUT_S,
        "retry": _retry_once(),
    }
    try:
        storage = storage_from_string(
            f"async+{location}",
            implementation="redispy",
            wrap_exceptions=True,
            **options,
        )
    except ConfigurationError as error:
        raise SettingsError(
            f"RATE_LIMIT_STORAGE is a Redis URL: {error} Try: pip install redis"
        ) from None
    assert isinstance(storage, Storage)
    return storage


def _retry_once() -> object:
    """Return the retries of Redis: one, because it may have closed a connection of the pool."""
    try:
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        return None  # `limits` says so
    return Retry(NoBackoff(), 1)


def _warning(storage: Storage) -> str | None:
    if not isinstance(storage, MemoryStorage) or not _has_sibling_workers():
        return None
    return (
        "Each worker counts requests separately (RATE_LIMIT_STORAGE=memory), so the effective limit"
        " is multiplied by the number of workers; set RATE_LIMIT_STORAGE=postgres."
    )


def _has_sibling_workers() -> bool:
    """Detect whether several workers serve this address.

    uvicorn's workers are children of its main process, and so is the single child of `--reload`.
    """
    if multiprocessing.parent_process() is None:
        return False
    return "--reload" not in psutil.Process(os.getppid()).cmdline()
