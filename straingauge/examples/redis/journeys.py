"""Journeys that measure Redis next to a service, such as one that keeps its sessions there.

straingauge run journeys.py --host http://localhost:8000 --users 50 --duration 30s
"""

import os
from collections.abc import Generator
from typing import Any

from redis.asyncio import Redis

from straingauge import User, call, open_once, tagged

URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")
TTL_S = 60


def connect() -> "Redis":
    """Make a client with a pool of connections, of which each user takes one for a command."""
    return Redis.from_url(URL, decode_responses=True, max_connections=1_000)


redis = open_once(connect, close=Redis.aclose)


@tagged("cache")
def use_cache(user: User) -> Generator[Any, Any, None]:
    """Write a value, read it, and count the visit; all of it with a limit of half a second."""
    client, key = redis(), f"straingauge:{user.index}"
    yield call(client.set, key, user.index, ex=TTL_S, name="redis set", timeout_s=0.5)
    value = yield call(client.get, key, name="redis get", timeout_s=0.5)
    if value != str(user.index):
        raise ValueError(f"{key} has the value {value!r}")
    yield call(client.incr, f"{key}:visits", name="redis incr", timeout_s=0.5)


def tear_down(user: User) -> Generator[Any, Any, None]:
    """Remove the user's keys."""
    key = f"straingauge:{user.index}"
    yield call(redis().delete, key, f"{key}:visits", name="redis del", timeout_s=0.5)
