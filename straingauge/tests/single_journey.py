"""A run of one user's single journey, for tests of the engine."""

import ssl
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TypedDict, Unpack

from straingauge.engine import Connections, EngineStats, Load, run_load
from straingauge.http import Response
from straingauge.http.settings import HttpSettings
from straingauge.journey import Journey, Step, User, mix
from straingauge.recording import Recorder, Series
from straingauge.schedule import constant_users


class LoadOptions(TypedDict, total=False):
    """Options of the load; see `Load`."""

    timeout_s: float
    connections: Connections
    max_connections: int | None
    allowed_hosts: frozenset[str]
    tls: ssl.SSLContext | None
    http: HttpSettings


def get(user: User) -> Generator[Step, Response, None]:
    """Send one GET request."""
    yield user.get("/x")


def users_of(count: int) -> list[User]:
    """Make users."""
    return [User(n) for n in range(count)]


def run_journey(
    url: str, journey: Journey = get, **options: Unpack[LoadOptions]
) -> tuple[Series, EngineStats]:
    """Run a journey once, as one user; return what was recorded, and the engine's statistics."""
    recorder = Recorder()
    options = {"timeout_s": 20.0, **options}
    load = Load(url, constant_users(count=1, iterations=1), mix(journey), [User(0)], **options)
    stats = run_load(load, recorder)
    return recorder.snapshot().total("main"), stats


@contextmanager
def peak_bytes() -> Iterator[Callable[[], int]]:
    """Measure the peak of allocated memory within the block, in bytes."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
