"""Rate limits of the routes: `@limiter.limit("100/minute")` on an endpoint of a `LimitedRoute`.

A request is counted as soon as its route is known: before its body is read, its token is checked or
its parameters are validated, also if its method is not allowed. All requests count that match no
route, and those of routes without a decorator count as "default".

The algorithm is a fixed window per user: a window opens with the first request and ends one period
later; the first request after that opens the next. It is exact and cheap: of 101 rapid requests
exactly 100 pass, `Retry-After` is exact (the end of the window), and a user costs one counter and
one update per request, also in PostgreSQL. A sliding-window counter only estimates, so its
`Retry-After` can be wrong; a moving window stores a timestamp per request. The drawback: around the
end of a window a user can send twice the limit within one period.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from limits import parse as parse_rate
from starlette.exceptions import HTTPException
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from app.middleware.rate_limit_counters import Rate, RateLimits
from app.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
KeyFunc = Callable[[Request], str]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One use of the decorator.

    Attributes:
        rate: The rate, and the name under which requests are counted.
        key: Returns the counter key for a request; None for the default key, the user or address.
        failures_only: Count only requests that are refused with a 4xx, and refuse all if there are
            too many of those.
    """

    rate: Rate
    key: KeyFunc | None = None
    failures_only: bool = False


DEFAULT = Rule(Rate("default", "default"))
_rules: dict[Callable[..., Any], Rule] = {}


class _Limiter:
    """The `@limiter.limit` decorator. Rates of the settings are looked up per request."""

    def limit(
        self, rate: str, *, key: KeyFunc | None = None, failures_only: bool = False
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Limit the rate of an endpoint; beyond it the response is 429 with `Retry-After`.

        Args:
            rate: A rate such as "100/minute", counted for this endpoint alone; or the name of a
                rate, for the rate of the setting `RATE_LIMIT_<NAME>`, counted over all endpoints
                that use the name.
            key: Returns the key a request is counted under. Default: the user of the token, or the
                address if there is none.
            failures_only: Count only requests that are refused with a 4xx.

        Raises:
            ValueError: At import, if the rate is neither.
        """
        named = f"rate_limit_{rate}" in Settings.model_fields
        if not named:
            parse_rate(rate)

        def decorate(endpoint: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            scope = rate if named else f"{endpoint.__module__}.{endpoint.__qualname__}"
            _rules[endpoint] = Rule(Rate(rate, scope), key, failures_only)
            return endpoint

        return decorate


limiter = _Limiter()


class LimitedRoute(APIRoute):
    """A route whose requests are counted before anything else is done with them."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 -- FastAPI's
        super().__init__(path, endpoint, **options)
        self._rule = _rules.get(endpoint, DEFAULT)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request, and serve it unless there were too many."""
        limits: RateLimits | None = scope["app"].state.rate_limits
        if limits is None:
            await super().handle(scope, receive, send)
        elif self._rule.failures_only:
            await self._handle_counting_failures(limits, scope, receive, send)
        else:
            await limits.hit(self._rule.rate, _key(self._rule, limits, scope))
            await super().handle(scope, receive, send)

    async def _handle_counting_failures(
        self, limits: RateLimits, scope: Scope, receive: Receive, send: Send
    ) -> None:
        key = _key(self._rule, limits, scope)
        await limits.check(self._rule.rate, key)
        status = 0

        async def send_and_keep_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await super().handle(scope, receive, send_and_keep_status)
        except HTTPException as error:  # of a method that is not allowed
            status = error.status_code
            raise
        finally:
            if 400 <= status < 500 and status != 429:
                await limits.count(self._rule.rate, key)


def _key(rule: Rule, limits: RateLimits, scope: Scope) -> str:
    request = Request(scope)
    return rule.key(request) if rule.key is not None else limits.client_key(request)


def limit_unmatched(application: FastAPI) -> None:
    """Count requests that match no route, before they are redirected or get a 404."""
    unmatched = Router(application.router.routes)

    async def count(scope: Scope, receive: Receive, send: Send) -> None:
        limits: RateLimits | None = application.state.rate_limits
        if limits is not None:
            await limits.hit(DEFAULT.rate, _key(DEFAULT, limits, scope))
        await unmatched(scope, receive, send)

    application.router.redirect_slashes = False
    application.router.default = count
    application.router.route_class = LimitedRoute
