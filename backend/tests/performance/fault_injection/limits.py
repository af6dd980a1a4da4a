"""Faults of the rate limiter."""

from app.settings import get_settings
from fastapi import FastAPI
from limits import parse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.fault_injection.wrappers import BufferedResponse, with_settings, wrap


def limiter_off() -> FastAPI:
    """Disable the rate limiter."""
    return with_settings(rate_limit_enabled=False)


def limiter_loose() -> FastAPI:
    """Allow three times the configured limit."""
    limit = parse(get_settings().rate_limit_default)
    return with_settings(rate_limit_default=f"{3 * limit.amount}/{limit.get_expiry()}second")


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
