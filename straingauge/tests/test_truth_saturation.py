"""Truth 7: a squeezed generator makes a run invalid, a slow service does not.

Neither depends on the machine's speed. The squeeze is work for the generator's own process, four
times as much as any core has time for, in pieces of 80 ms of its time: so its event loop is late by
that much at least, all the time, on any machine. The slow service takes three seconds for each
answer, a tenth of which the generator may be late.
"""

import time
from typing import Any

from load_results import judged, reasons
from raw_server import Handler, Peer, answering, serve
from straingauge.engine import Load
from straingauge.http import Response
from straingauge.journey import Journey, User, mix
from straingauge.schedule import constant

RATE = 50
DURATION_S = 0.5
SQUEEZE = 4
SLOW_S = 3.0


def compute(_: Response) -> None:
    """A content check that keeps a core busy, measured in the core's own time, and is content."""
    until_s = time.thread_time() + SQUEEZE / RATE
    while time.thread_time() < until_s:
        pass


def easy(user: User):
    """A GET that costs the generator nothing."""
    yield user.get("/")


def costly(user: User):
    """A GET with a check that costs the generator more than the time there is for it."""
    yield user.get("/", checks=[compute])


def slow(peer: Peer) -> None:
    """Sleeps before each answer."""
    while peer.read() is not None:
        time.sleep(SLOW_S)
        peer.answer()


def result_of(handler: Handler, journey: Journey) -> dict[str, Any]:
    """The judged result of 25 arrivals in half a second at this service, a user for each."""
    with serve(handler) as server:
        schedule = constant(rate_per_s=RATE, duration_s=DURATION_S)
        users = [User(n) for n in range(schedule.count)]
        return judged(Load(server.url, schedule, mix(journey), users, timeout_s=600))


def blames_the_generator(result: dict[str, Any]) -> bool:
    """Check whether the result is invalid because of the generator."""
    found = reasons(result)
    return any(found.get(name) == "invalid" for name in ("generator_saturated", "generator_late"))


def test_a_saturated_generator_makes_the_run_invalid():
    """If the generator has too little time for its work, the run is invalid and says why."""
    result = result_of(answering(), costly)
    assert blames_the_generator(result)
    assert not result["validity"]["valid"]
    assert result["verdict"]["grade"] == "invalid"


def test_a_slow_service_leaves_the_run_valid():
    """If the service is slow, the run is valid and judged by its results."""
    result = result_of(slow, easy)
    assert not blames_the_generator(result)
    assert result["validity"]["valid"]
    assert result["metrics"]["latency_ms"]["p50"] >= 1000 * SLOW_S
    assert result["verdict"]["grade"] == "target"
