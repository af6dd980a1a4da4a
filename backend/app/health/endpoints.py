"""`/`, `/live`, `/ready`, `/health` and `/metrics`, none of them rate limited.

Plain Starlette routes, because there are no parameters for FastAPI to validate.
"""

import asyncio
import math
import time
from time import perf_counter_ns
from typing import Any

import orjson
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from app import background, metrics
from app.database import Database
from app.errors import Unavailable
from app.health.access import require_operator
from app.jobs import maintenance, supervisor
from app.middleware.rate_limit_counters import RateLimits
from app.settings import Settings

_TASKS_FOR_S = 1.0
_ALIVE = orjson.dumps({"status": "alive"})
_ROOT = orjson.dumps({"service": "TherapyBridge", "documentation": "/docs", "health": "/health"})
_READY = orjson.dumps({"status": "ready"})


def _json(body: bytes, status_code: int = 200) -> Response:
    return Response(body, status_code=status_code, media_type="application/json")


async def root(_request: Request) -> Response:
    """Return the name of the service and the paths of its documentation and health check."""
    return _json(_ROOT)


async def live(_request: Request) -> Response:
    """Liveness probe: the process responds. No database access."""
    return _json(_ALIVE)


async def ready(request: Request) -> Response:
    """Readiness probe: 503 if the database is unavailable or its schema is not current."""
    await request.app.state.schema_check.require()
    return _json(_READY)


async def health(request: Request) -> Response:
    """Detailed state of the service; 503 if the database check fails.

    The state is `degraded`, with a 200, if a background task has not run for three periods.
    """
    state = request.app.state
    started_ns = perf_counter_ns()
    database: dict[str, Any] = {"status": "ok"}
    retry_after: str | None = None
    try:
        await state.schema_check.require()
    except Unavailable as error:
        database = {"status": error.code, "message": error.message}
        retry_after = error.headers["Retry-After"] if error.headers is not None else None
    database["latency_ms"] = (perf_counter_ns() - started_ns) / 1e6
    healthy = database["status"] == "ok"
    tasks = _background_tasks(state)
    late = any(task["status"] == "late" for task in tasks.values())
    body = {
        "status": ("degraded" if late else "ok") if healthy else "unavailable",
        "database": database,
        "pool": _pool(state.database),
        "rate_limit": _rate_limit(state.rate_limits),
        "background_tasks": tasks,
    }
    response = _json(orjson.dumps(body), 200 if healthy else 503)
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


def _background_tasks(state: State) -> dict[str, dict[str, Any]]:
    """Return the states of the background tasks, which are files to read, once a second."""
    now_s = time.monotonic()
    read_at_s, tasks = getattr(state, "background_tasks", (-math.inf, {}))
    if now_s - read_at_s >= _TASKS_FOR_S:
        tasks = background.states(_periods_s(state.settings), state.started_s)
        state.background_tasks = (now_s, tasks)
    return tasks


def _periods_s(settings: Settings) -> dict[str, float]:
    """Return the periods of the background tasks that should run."""
    if not settings.job_worker:
        return {}
    return {supervisor.TASK: supervisor.MAX_DELAY_S} | dict.fromkeys(
        maintenance.TASKS, maintenance.INTERVAL_S
    )


def _pool(database: Database) -> dict[str, int]:
    return {**database.pool.state._asdict(), "refusals": database.pool.refusals}


def _rate_limit(limits: RateLimits | None) -> dict[str, str | bool | None]:
    if limits is None:
        return {"enabled": False, "warning": "Requests are not limited (RATE_LIMIT_ENABLED=false)."}
    return {"enabled": True, "shared": limits.shared, "warning": limits.warning}


async def prometheus(request: Request) -> Response:
    """Metrics of all workers in Prometheus text format, for operators."""
    require_operator(request)
    jobs = await request.app.state.queue_stats.read()
    text = await asyncio.to_thread(metrics.render, jobs)  # reads a file per worker
    return Response(text, media_type=metrics.CONTENT_TYPE)


router = Router(
    [
        Route("/live", live),
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", prometheus),
        Route("/", root),
    ]
)
