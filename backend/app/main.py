"""The application: `uvicorn app.main:app`."""

import gc
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from app import errors
from app.auth import endpoints as auth
from app.auth import passwords
from app.auth.tokens import AccessTokens
from app.database import Database
from app.event_loop import EventLoopClock
from app.health import endpoints as health
from app.health import schema
from app.jobs.figures import JobQueue
from app.jobs.supervisor import supervised_worker
from app.logs import Logs
from app.metrics import loop_metrics, pool_metrics
from app.middleware.rate_limit import RateLimits
from app.middleware.request_context import RequestContextMiddleware
from app.notes import endpoints as notes
from app.patients import endpoints as patients
from app.sessions import endpoints as sessions
from app.settings import Settings, get_settings

logger = logging.getLogger(__name__)


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    """What lives as long as the app. It starts also when the database is away, and says so."""
    state = application.state
    settings: Settings = state.settings
    state.logs.start()
    try:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(state.database.close)
            stack.push_async_callback(state.job_queue.close)
            passwords.warm_up()
            schema.head()
            limits: RateLimits | None = state.rate_limits
            if limits is not None and limits.warning is not None:
                logger.warning(limits.warning)
            if settings.job_worker:
                await stack.enter_async_context(supervised_worker(settings))
            # What lives until the end is never garbage: the collector need not look at it again.
            # And requests make few cycles: looking after each 700 objects took 5 % of the time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(10_000, 10, 10)
            stack.enter_context(EventLoopClock(loop_metrics))
            yield
    finally:
        state.logs.stop()


def create_app(settings: Settings | None = None) -> FastAPI:
    """The service, set up but not started."""
    application = FastAPI(title="TherapyBridge", version="0.1.0", lifespan=_lifespan)
    state = application.state
    state.settings = settings = settings or get_settings()
    state.logs = Logs(settings)
    state.access_tokens = AccessTokens(settings.signing_key(), settings.access_token_ttl_s)
    state.database = Database(settings)
    state.job_queue = JobQueue(settings)
    state.rate_limits = (
        RateLimits(settings, state.access_tokens, state.database)
        if settings.rate_limit_enabled
        else None
    )
    state.database.watch(pool_metrics)
    errors.install(application)
    application.add_middleware(RequestContextMiddleware, logs=state.logs)
    # As they are, into the one table, the hottest first: routes are tried in order, and FastAPI's
    # `include_router` would look twice for each request.
    table = application.router.routes
    table[:0] = [
        route
        for domain in (health, sessions, patients, notes, auth)
        for route in domain.router.routes
    ]
    return application


def __getattr__(name: str) -> FastAPI:
    """Make `app` when uvicorn asks for it: importing this module demands no settings."""
    if name != "app":
        raise AttributeError(name)
    application = create_app()
    globals()["app"] = application
    return application
