"""Rate limits: `@limiter.limit("100/minute")` on any endpoint that takes the `Request`.

A window opens with the first request of a user and ends one period later; the first request after
that opens the next (`limits` calls this a fixed window). Of the algorithms `limits` knows it is the
one whose promises are exact and cheap to keep: of 101 rapid requests exactly 100 pass, the time to
wait is known (the window's end) and after it the whole allowance is back, and a count costs one
number per user and one step to update, also in PostgreSQL. A sliding-window counter only estimates,
so its `Retry-After` can be untrue; a moving window keeps a time stamp per request. The price: near
a window's end a user may send two allowances within one period.
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
from app.context import current_request
from app.database import Database
from app.errors import RateLimited, Unauthorized, Unavailable
from app.middleware.windows import MemoryWindows, PostgresWindows, Window
from app.settings import Settings, SettingsError

P = ParamSpec("P")
R = TypeVar("R")
Key = Callable[[Request, Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One use of the decorator: which rate, counted under which name, and for whom.

    `key` gives whom a request counts for, from it and the endpoint's arguments; None: the user.
    """

    rate: str
    scope: str
    key: Key | None


class _Limiter:
    """The decorator: it knows endpoints at import, and the settings once the app has started."""

    def limit(
        self, rate: str, *, key: Key | None = None
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Limit an endpoint; it answers 429 with a true `Retry-After` beyond the rate.

        Args:
            rate: "100/minute" and the like, counted for this endpoint alone; or "default", "login",
                "signup", "upload": the rate of the setting `RATE_LIMIT_<NAME>`, counted over all
                endpoints that name it.
            key: whom a request counts for; left out, its user, or its address without a token.

        Raises:
            ValueError: at import, when the rate is neither.
            TypeError: at import, when the endpoint takes no `Request`.
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
                    await limits.spend(rule, request, kwargs)
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
        f"{endpoint.__module__}.{endpoint.__qualname__} is rate limited and so needs a parameter "
        "of type Request: async def endpoint(request: Request, ...)"
    )


limiter = _Limiter()

ANONYMOUS = Rule("default", "default", None)
"""What a request without a valid token costs its address, whichever endpoint it was for."""


@dataclass(frozen=True, slots=True)
class _Budget:
    item: RateLimitItem
    expiry_s: int
    limit_header: tuple[bytes, bytes]


class RateLimits:
    """The limits of one running app."""

    def __init__(self, settings: Settings, tokens: AccessTokens, database: Database) -> None:
        self._settings = settings
        self._tokens = tokens
        self._budgets: dict[Rule, _Budget] = {}
        self.storage = _open_storage(settings.rate_limit_storage, database)
        self.shared = not isinstance(self.storage, MemoryWindows)
        self.warning = _warning(self.storage)

    async def spend(self, rule: Rule, request: Request, arguments: Mapping[str, Any]) -> None:
        """Count a request, and note the `RateLimit-*` headers of its answer.

        Raises:
            RateLimited: when it is one too many.
            Unavailable: when the counts cannot be reached.
        """
        budget = self._budgets.get(rule) or self._budget(rule)
        who = rule.key(request, arguments) if rule.key is not None else self._who(request)
        window = await self._count(f"{rule.scope}:{who}", budget.expiry_s)
        limit = budget.item.amount
        resets_in = str(max(1, math.ceil(window.resets_in_s)))
        context = current_request.get()
        if context is not None:
            context.headers = [
                budget.limit_header,
                (b"ratelimit-remaining", b"%d" % max(0, limit - window.used)),
                (b"ratelimit-reset", resets_in.encode()),
            ]
        if window.used > limit:
            raise RateLimited(
                f"The limit is {budget.item}. Try again in {resets_in} s.",
                headers={"Retry-After": resets_in},
            )

    async def _count(self, key: str, expiry_s: int) -> Window:
        storage = self.storage
        if isinstance(storage, MemoryWindows | PostgresWindows):
            return await storage.spend(key, expiry_s)
        try:
            count = await storage.incr(key, expiry_s)
            resets_in_s = await storage.get_expiry(key) - time.time()
        except (StorageError, OSError) as error:
            raise Unavailable(
                "The rate limit's storage is away.", code="rate_limit_unavailable"
            ) from error
        # Redis tells whole seconds, rounded: without one more, `Retry-After` could be too short.
        return Window(count, resets_in_s + 1)

    def _budget(self, rule: Rule) -> _Budget:
        rate = getattr(self._settings, f"rate_limit_{rule.rate}", rule.rate)
        item = parse_rate(rate)
        budget = _Budget(item, item.get_expiry(), (b"ratelimit-limit", b"%d" % item.amount))
        self._budgets[rule] = budget
        return budget

    def _who(self, request: Request) -> str:
        try:
            return f"user:{self._tokens.verify(bearer_token(request)).id.hex}"
        except Unauthorized:
            return by_address(request, {})


def _open_storage(where: str, database: Database) -> Storage:
    if where == "memory":
        return MemoryWindows()
    if where == "postgres":
        return PostgresWindows(database=database)
    try:
        storage = storage_from_string(
            f"async+{where}", implementation="redispy", wrap_exceptions=True
        )
    except ConfigurationError as error:
        raise SettingsError(
            f"RATE_LIMIT_STORAGE is a Redis address: {error} Try: pip install redis"
        ) from None
    assert isinstance(storage, Storage)
    return storage


def by_address(request: Request, _arguments: Mapping[str, Any]) -> str:
    """The key of the address a request comes from.

    uvicorn believes `X-Forwarded-For` when the connection comes from this machine. Unless the
    settings say so too, an address that stands in that header is one the client may have made up,
    and all such requests count together.
    """
    client = request.scope["client"]
    host = client[0] if client is not None else "unix"
    forwarded = request.headers.get("x-forwarded-for")
    if forwarded is not None:
        entries = [entry.strip() for entry in forwarded.split(",")]
        if request.app.state.settings.trust_forwarded_for:
            host = entries[-1]
        elif host in entries:
            host = "forwarded"
    return f"address:{host}"


def by_account(account: str, address: str) -> str:
    """The key of an account seen from an address; hashed, so that no e-mail address is stored."""
    digest = hashlib.sha256(account.strip().lower().encode()).hexdigest()[:32]
    return f"account:{digest}:{address}"


def _warning(storage: Storage) -> str | None:
    if not isinstance(storage, MemoryWindows) or not _several_workers():
        return None
    return (
        "Each worker counts for itself (RATE_LIMIT_STORAGE=memory), so the limits are that many"
        " times too wide; set RATE_LIMIT_STORAGE=postgres."
    )


def _several_workers() -> bool:
    """Whether this process is one of several that serve the same address.

    uvicorn's workers are children of its main process; so is the one child of `--reload`.
    """
    if multiprocessing.parent_process() is None:
        return False
    return "--reload" not in psutil.Process(os.getppid()).cmdline()
