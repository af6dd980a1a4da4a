"""Truth 7: a squeezed generator makes a run invalid, a slow service does not.

Neither depends on the machine's speed. The squeeze is work for the generator's own process, four
times as much as any core has time for: so it falls behind by seconds, on any machine. The slow
service takes three seconds for each answer, a tenth of which the generator may be late.
"""

import time
from typing import Any

from serving import Handler, Peer, answering, serve
from straingauge.engine import Load, play
from straingauge.fleet import Merged, Report
from straingauge.journey import Response, User, mix
from straingauge.record import Recorder
from straingauge.result import compose, conclude
from straingauge.schedule import constant
from straingauge.verdict import Thresholds

RATE = 100
DURATION_S = 1.0
SQUEEZE = 4
SLOW_S = 3.0
BLAMES_THE_GENERATOR = {"generator_saturated", "generator_late"}
DEMANDS = {"all": {"p95_ms": {"target": 60_000, "warning": 60_000, "critical": 60_000}}}


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


def result_of(handler: Handler, journey: Any) -> dict[str, Any]:  # noqa: ANN401  a generator function
    """The judged result of 100 arrivals a second at this service."""
    recorder = Recorder()
    with serve(handler) as server:
        schedule = constant(rate_per_s=RATE, duration_s=DURATION_S)
        users = [User(n) for n in range(schedule.count)]
        load = Load(server.url, schedule, mix(journey), users, timeout_s=600)
        engine = play(load, recorder)
    record = recorder.snapshot()
    report = Report(
        process="main",
        at_ns=time.monotonic_ns(),
        requests=record.total("main").requests,
        record=record.to_bytes(),
        extra={"engines": {"main": engine}, "watched": None, "credentials": set()},
    )
    plan = {
        "name": "truth",
        "started_at": "2026-01-01T00:00:00+00:00",
        "configuration": {},
        "environment": {},
        "users": 0,
    }
    thresholds = Thresholds.parse(DEMANDS, source="truth")
    result, _ = conclude(compose(Merged((report,), plan=plan)), thresholds)
    return result


def blames_the_generator(result: dict[str, Any]) -> bool:
    """Whether the result says that it is invalid because of the generator."""
    return any(
        reason["reason"] in BLAMES_THE_GENERATOR and reason["severity"] == "invalid"
        for reason in result["validity"]["reasons"]
    )


def test_a_squeezed_generator_is_declared_invalid():
    """Where the generator has too little time for its work, the run is invalid and says why."""
    result = result_of(answering(), costly)
    assert blames_the_generator(result)
    assert not result["validity"]["valid"]
    assert result["verdict"]["grade"] == "invalid"


def test_a_slow_service_is_not():
    """Where the service is slow, the run is valid, and judged by what it showed."""
    result = result_of(slow, easy)
    assert not blames_the_generator(result)
    assert result["validity"]["valid"]
    assert result["metrics"]["latency_ms"]["p50"] >= 1000 * SLOW_S
    assert result["verdict"]["grade"] == "target"
