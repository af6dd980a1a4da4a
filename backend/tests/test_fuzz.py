"""A short run of `make fuzz`, in this process and with a fixed seed."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import schemathesis
from app.main import create_app
from app.settings import Settings
from fastapi import FastAPI
from schemathesis.python import asgi
from service import client_of
from starlette.types import Receive, Scope, Send
from tests.fuzz import schema as fuzz


class FromThisMachine:
    """ASGI application that replaces the client's address, which schemathesis makes up."""

    def __init__(self, application: FastAPI) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http":
            scope["client"] = ("127.0.0.1", 50000)
        await self.application(scope, receive, send)


@pytest.fixture
def application(make_settings: Callable[..., Settings]) -> Iterator[FastAPI]:
    """The service, which schemathesis starts; it is stopped at the end."""
    many = "1000000/minute"
    limits = ("default", "login", "signup", "upload")
    yield create_app(make_settings(**{f"rate_limit_{name}": many for name in limits}))
    asgi.shutdown_lifespans()


async def _tokens(application: FastAPI) -> dict[str, str | None]:
    async with application.router.lifespan_context(application), client_of(application) as client:
        return await fuzz.log_in(client, application.state.settings.driver_url)


@pytest.mark.parametrize("role", ["therapist", "patient", "anonymous"])
def test_responses_are_as_the_document_says(application: FastAPI, role: str):
    """Schemathesis finds no failure, as a therapist in all its phases."""
    tokens = asyncio.run(_tokens(create_app(application.state.settings)))
    # For each operation, the phase "coverage" has dozens of requests; most are a 403 for others.
    phases = [each for each in fuzz.PHASES if role == "therapist" or each != "coverage"]
    config = fuzz.configure(tokens[role], examples=1, seed=1, phases=phases)
    local = FromThisMachine(application)
    outcome = fuzz.fuzz(schemathesis.openapi.from_asgi(fuzz.DOCUMENT, local, config=config))
    assert outcome.failures == {}
    assert [phase for phase in fuzz.PHASES if outcome.requests[phase]] == phases, str(outcome)
