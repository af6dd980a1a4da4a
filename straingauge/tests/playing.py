"""One user's single journey, for tests of how it goes."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from straingauge.engine import EngineStats, Load, run_load
from straingauge.journey import Journey, User, mix
from straingauge.recording import Recorder, Series
from straingauge.schedule import constant_users


def get(user: User):
    """One GET."""
    yield user.get("/x")


def played(url: str, journey: Journey = get, **settings: object) -> tuple[Series, EngineStats]:
    """One user's single journey, with what was recorded of it."""
    recorder = Recorder()
    load = Load(
        url,
        constant_users(count=1, iterations=1),
        mix(journey),
        [User(0)],
        **{"timeout_s": 20.0} | settings,
    )
    report = run_load(load, recorder)
    return recorder.snapshot().total("main"), report


@contextmanager
def peak_bytes() -> Iterator[Callable[[], int]]:
    """Tells the most that was allocated at once."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
