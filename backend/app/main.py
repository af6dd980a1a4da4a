"""The ASGI application, started with `python -m app.serve`."""

import gc
import logging
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from app import database_errors, errors
from app.audio.owner import StorageOwner, check_at_start
from app.auth import endpoints as auth
from app.auth import passwords
from app.auth.hashing_queue import HashingQueue
from app.auth.tokens import AccessTokens
from app.background import BackgroundTasks
from app.client_address import TrustedProxies
from app.database import Database
from app.event_loop import EventLoopMonitor
from app.health import endpoints as health
from app.health import schema
from app.jobs import supervisor
from app.jobs.queue_stats import QueueStatsReader
from app.logs import Logs
from app.metrics import hashing_metrics, loop_metrics, pool_metrics
from app.metrics_files import FILES
from app.middleware.rate_limit import limit_unmatched
from app.middleware.rate_limit_counters import RateLimits
from app.middleware.request_context import RequestContextMiddleware
from app.middleware.request_size import RequestSizeMiddleware
from app.notes import endpoints as notes
from app.openapi import document
from app.openapi import endpoints as openapi
from app.orphans import stop_with_parent
from app.patients import endpoints as patients
from app.sessions import endpoints as sessions
from app.settings import Settings, get_settings
from app.shared_directory import service_directory

logger = logging.getLogger(__name__)


@asynccontextmanager
async def _lifespan(application: FastAPI) -> AsyncIterator[None]:
    """Start and stop what the app needs. The app also starts while the database is unavailable."""
    state = application.state
    settings: Settings = state.settings
    state.started_s = time.time()
    state.logs.start()
    try:
        async with AsyncExitStack() as stack:
            stack.enter_context(FILES.open_in(service_directory(settings.metrics_parent)))
            stack.push_async_callback(state.database.close)
            stack.push_async_callback(state.queue_stats.close)
            passwords.warm_up()
            schema.head()
            limits: RateLimits | None = state.rate_limits
            if limits is not None and limits.warning is not None:
                logger.warning(limits.warning)
            await check_at_start(state.storage_owner)
            background = await stack.enter_async_context(BackgroundTasks())
            if settings.job_worker:
                supervisor.start(background, settings)
            # Exclude the objects that exist now from garbage collection, and collect less often:
            # requests create few cycles, and the default threshold of 700 cost 5 % of the time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(10_000, 10, 10)
            stack.enter_context(EventLoopMonitor(loop_metrics))
            stop_with_parent()
            yield
    finally:
        state.logs.stop()


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application without starting it."""
    application = FastAPI(
        title="TherapyBridge",
        version="0.1.0",
        lifespan=_lifespan,
        openapi_url=None,  # `app.openapi.endpoints` serves it, to operators
    )
    state = application.state
    state.settings = settings = settings or get_settings()
    state.logs = Logs(settings)
    state.access_tokens = AccessTokens(settings.signing_key(), settings.access_token_ttl_s)
    state.database = Database(settings)
    state.schema_check = schema.SchemaCheck(state.database, settings.db_connect_timeout)
    state.storage_owner = StorageOwner(settings, state.database)
    state.queue_stats = QueueStatsReader(settings)
    state.rate_limits = (
        RateLimits(settings, state.access_tokens, state.database)
        if settings.rate_limit_enabled
        else None
    )
    state.hashing_queue = HashingQueue(settings.password_queue_max, hashing_metrics)
    state.database.observe(pool_metrics)
    errors.install(application)
    database_errors.install(application)
    application.add_middleware(RequestSizeMiddleware, max_upload_bytes=settings.max_upload_bytes)
    application.add_middleware(
        RequestContextMiddleware,
        logs=state.logs,
        proxies=TrustedProxies(settings.trusted_proxies),
    )
    # Routes are matched in order, so the most frequent come first. They are added directly, because
    # routes added with `include_router` are matched twice per request.
    routes = application.router.routes
    routes[:0] = [
        route
        for router in (
            *(health.router, sessions.router, patients.router, notes.router, auth.router),
            *(auth.hashing_router, openapi.router),
        )
        for route in router.routes
    ]
    limit_unmatched(application)
    document.install(application)
    return application


def __getattr__(name: str) -> FastAPI:
    """Create `app` on first access, so that importing this module needs no settings."""
    if name != "app":
        raise AttributeError(name)
    application = create_app()
    globals()["app"] = application
    return application
