"""Baselines for the service: a bare FastAPI route, and Starlette with hand-written asyncpg."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator

import asyncpg
import orjson
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

bare = FastAPI()


@bare.get("/live")
async def live() -> dict[str, str]:
    """The smallest possible FastAPI endpoint."""
    return {"status": "alive"}


_SESSIONS = """
SELECT id::text AS id, patient_id::text AS patient_id, session_date, status, failure_reason,
       duration_s::int AS duration_s, size_bytes, created_at, updated_at
FROM sessions WHERE therapist_id = $1 ORDER BY session_date DESC, id DESC LIMIT 50
"""
_THERAPIST = uuid.UUID(os.environ.get("BENCHMARK_THERAPIST", uuid.UUID(int=0).hex))
_pool: list[asyncpg.Pool] = []


@contextlib.asynccontextmanager
async def _with_pool(_app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=20) as pool:
        _pool.append(pool)
        yield


async def sessions(_request: Request) -> Response:
    """The first 50 sessions of one therapist, without login, limits, logs or metrics."""
    async with _pool[0].acquire() as connection:
        rows = await connection.fetch(_SESSIONS, _THERAPIST)
    return Response(orjson.dumps([dict(row) for row in rows]), media_type="application/json")


by_hand = Starlette(routes=[Route("/api/sessions/", sessions)], lifespan=_with_pool)
