"""Faults of the rate limiter."""

from app.errors import RateLimited
from app.main import create_app
from app.middleware.rate_limit_counters import Rate, RateLimits
from app.settings import get_settings
from fastapi import FastAPI
from limits import parse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import (
    BufferedResponse,
    chance,
    with_settings,
    wrap,
)


def limiter_off() -> FastAPI:
    """Disable the rate limiter."""
    return with_settings(rate_limit_enabled=False)


def limiter_loose() -> FastAPI:
    """Allow three times the configured limit."""
    limit = parse(get_settings().rate_limit_default)
    return with_settings(rate_limit_default=f"{3 * limit.amount}/{limit.get_expiry()}second")


def limiter_leaky() -> FastAPI:
    """Serve one in ten of the requests that the limit refuses."""
    is_served = chance(0.1)
    hit = RateLimits.hit

    async def leaky(self: RateLimits, rate: Rate, key: str) -> None:
        try:
            await hit(self, rate, key)
        except RateLimited:
            if not is_served():
                raise

    RateLimits.hit = leaky  # type: ignore[method-assign]  # in this process only
    return create_app()


def limiter_shared() -> FastAPI:
    """Count the requests of all users together."""
    RateLimits.client_key = lambda _, _request: "all"  # type: ignore[method-assign, assignment]
    return create_app()


def retry_after_missing() -> FastAPI:
    """Omit Retry-After from responses with status 429."""
    return _retry_after(None)


def retry_after_wrong() -> FastAPI:
    """Return a Retry-After of one second with every 429."""
    return _retry_after(b"1")


def _retry_after(value: bytes | None) -> FastAPI:
    async def handler(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        response = BufferedResponse()
        await app(scope, receive, response)
        if response.status == 429:
            response.set_header(b"retry-after", value)
        await response.send_to(send)

    return wrap(handler)
