"""Services whose rate limit is not what it promises."""

from app.settings import get_settings
from fastapi import FastAPI
from limits import parse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.performance.proving.planting import Kept, planted, set_to


def limiter_off() -> FastAPI:
    """Nobody is ever refused."""
    return set_to(rate_limit_enabled=False)


def limiter_loose() -> FastAPI:
    """Each user may make three times as many requests as was promised."""
    promised = parse(get_settings().rate_limit_default)
    seconds = promised.get_expiry()
    return set_to(rate_limit_default=f"{3 * promised.amount}/{seconds}second")


def retry_after_gone() -> FastAPI:
    """A refusal does not say when to come back."""
    return _retry_after(None)


def retry_after_untrue() -> FastAPI:
    """A refusal says to come back in a second, whenever that is."""
    return _retry_after(b"1")


def _retry_after(value: bytes | None) -> FastAPI:
    async def answer(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        kept = Kept()
        await app(scope, receive, kept)
        if kept.status == 429:
            kept.set_header(b"retry-after", value)
        await kept.pass_on(send)

    return planted(answer)
