"""Rate limits: `@limiter.limit("100/minute")` on any endpoint that takes the `Request`.

The algorithm is a fixed window per user: a window opens with the first request and ends one period
later; the first request after that opens the next. It is exact and cheap: of 101 rapid requests
exactly 100 pass, `Retry-After` is exact (the end of the window), and a user costs one counter and
one update per request, also in PostgreSQL. A sliding-window counter only estimates, so its
`Retry-After` can be wrong; a moving window stores a timestamp per request. The drawback: around the
end of a window a user can send twice the limit within one period.
"""

import functools
import hashlib
import inspect
import math
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast, get_type_hints

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

P = ParamSpec("P")
R = TypeVar("R")
KeyFunc = Callable[[Request, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One use of the decorator.

    Attributes:
        rate: A rate such as "100/minute", or the name of a rate in the settings.
        scope: Name under which requests are counted.
        key: Returns the counter key for a request and the arguments of its endpoint; None for the
            default key, the user or address.
    """

    rate: str
    scope: str
    key: KeyFunc | None


class _Limiter:
    """The `@limiter.limit` decorator. Rates of the settings are looked up per request."""

    def limit(
        self, rate: str, *, key: KeyFunc | None = None
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Limit the rate of an endpoint; beyond it the response is 429 with `Retry-After`.

        Args:
            rate: A rate such as "100/minute", counted for this endpoint alone; or "default",
                "login", "signup" or "upload" for the rate of the setting `RATE_LIMIT_<NAME>`,
                counted over all endpoints that use the name.
            key: Returns the key a request is counted under. Default: the user of the token, or the
                address if there is none.

        Raises:
            ValueError: At import, if the rate is neither.
            TypeError: At import, if the endpoint has no parameter of type `Request`.
        """
        named = f"rate_limit_{rate}" in Settings.model_fields
        if not named:
            parse_rate(rate)

        def decorate(endpoint: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            parameter = _request_parameter(endpoint)
            scope = rate if named else f"{endpoint.__module__}.{endpoint.__qualname__}"
            rule = Rule(rate, scope, key)

            @functools.wraps(endpoint)
            async def limited(*args: P.args, **kwargs: P.kwargs) -> R:
                request = cast("Request", kwargs[parameter])  # FastAPI passes by keyword
                limits: RateLimits | None = request.app.state.rate_limits
                if limits is not None:
                    await limits.hit(rule, request, kwargs)
                return await endpoint(*args, **kwargs)

            return limited

        return decorate


def _request_parameter(endpoint: Callable[..., object]) -> str:
    hints = get_type_hints(endpoint)
    for name in inspect.signature(endpoint).parameters:
        hint = hints.get(name)
        if isinstance(hint, type) and issubclass(hint, Request):
            return name
    raise TypeError(
        f"{endpoint.__module__}.{endpoint.__qualname__} is rate limited, so it needs a parameter "
        "of type Request: async def endpoint(request: Request, ...)"
    )


limiter = _Limiter()

ANONYMOUS = Rule("default", "default", None)
"""Rule for requests without a valid token, counted by address over all endpoints."""


@dataclass(frozen=True, slots=True)
class _Limit:
    item: RateLimitItem
    expiry_s: int
    header: tuple[bytes, bytes]


class RateLimits:
    """The rate limits of a running app."""

    def __init__(self, settings: Settings, tokens: AccessTokens, database: Database) -> None:
        self._settings = settings
        self._tokens = tokens
        self._limits: dict[Rule, _Limit] = {}
        self.storage = _open_storage(settings.rate_limit_storage, database)
        self.shared = not isinstance(self.storage, MemoryStorage)
        self.warning = _warning(self.storage)

    async def hit(self, rule: Rule, request: Request, arguments: Mapping[str, Any]) -> None:
        """Count a request, and set the `RateLimit-*` headers of its response.

        Raises:
            RateLimited: The limit is exceeded.
            Unavailable: The storage of the counters is unavailable.
        """
        limit = self._limits.get(rule) or self._parse_limit(rule)
        key = rule.key(request, arguments) if rule.key is not None else self._client_key(request)
        window = await self._count(f"{rule.scope}:{key}", limit.expiry_s)
        amount = limit.item.amount
        resets_in = str(max(1, math.ceil(window.resets_in_s)))
        context = current_request.get()
        if context is not None:
            context.headers = [
                limit.header,
                (b"ratelimit-remaining", b"%d" % max(0, amount - window.used)),
                (b"ratelimit-reset", resets_in.encode()),
            ]
        if window.used > amount:
            raise RateLimited(
                f"The limit is {limit.item}. Try again in {resets_in} s.",
                headers={"Retry-After": resets_in},
            )

    async def _count(self, key: str, expiry_s: int) -> Window:
        storage = self.storage
        if isinstance(storage, MemoryStorage | PostgresStorage):
            return await storage.hit(key, expiry_s)
        try:
            count = await storage.incr(key, expiry_s)
            resets_in_s = await storage.get_expiry(key) - time.time()
        except (StorageError, OSError) as error:
            raise Unavailable(
                "The rate limit storage is unavailable.", code="rate_limit_unavailable"
            ) from error
        # Redis rounds to whole seconds. Add one, so that `Retry-After` is never too short.
        return Window(count, resets_in_s + 1)

    def _parse_limit(self, rule: Rule) -> _Limit:
        rate = getattr(self._settings, f"rate_limit_{rule.rate}", rule.rate)
        item = parse_rate(rate)
        limit = _Limit(item, item.get_expiry(), (b"ratelimit-limit", b"%d" % item.amount))
        self._limits[rule] = limit
        return limit

    def _client_key(self, request: Request) -> str:
        try:
            return f"user:{self._tokens.verify(bearer_token(request)).id.hex}"
        except Unauthorized:
            return address_key(request, {})


def _open_storage(location: str, database: Database) -> Storage:
    if location == "memory":
        return MemoryStorage()
    if location == "postgres":
        return PostgresStorage(database=database)
    try:
        storage = storage_from_string(
            f"async+{location}", implementation="redispy", wrap_exceptions=True
        )
    except ConfigurationError as error:
        raise SettingsError(
            f"RATE_LIMIT_STORAGE is a Redis URL: {error} Try: pip install redis"
        ) from None
    assert isinstance(storage, Storage)
    return storage


def address_key(request: Request, _arguments: Mapping[str, Any]) -> str:
    """Return the key of the client's address; addresses of one IPv6 network share one."""
    return f"address:{sender(request.scope['client'][0])}"


def account_key(account: str, address: str) -> str:
    """Return the key of an account at an address, hashed so that no e-mail address is stored."""
    digest = hashlib.sha256(account.strip().lower().encode()).hexdigest()[:32]
    return f"account:{digest}:{address}"


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
