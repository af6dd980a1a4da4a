"""Stalls: simulated services that freeze are distinguished from slow ones."""

import heapq
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from straingauge.recording import Record, Recorder
from straingauge.statistics.stalls import find_stalls, stalls

RUN_S = 30.0
Ends = Callable[[float, float], float]
"""The end of a request, from its start and its work in seconds."""
Work = Callable[[random.Random], float]
Request = tuple[str, float, float]


def freezing(freeze_s: float, every_s: float) -> Ends:
    """A service that does nothing for `freeze_s`, every `every_s`, and one thing at a time then."""

    def ends(begins_s: float, work_s: float) -> float:
        now, left = begins_s, work_s
        while True:
            cycle, into = divmod(now - 0.73, every_s)
            if into < freeze_s - 1e-6 and cycle >= 0:
                now = 0.73 + cycle * every_s + freeze_s
                continue
            next_freeze = 0.73 + max(cycle + 1, 0) * every_s
            if now + left <= next_freeze:
                return now + left
            left -= next_freeze - now
            now = next_freeze

    return ends


def steady(begins_s: float, work_s: float) -> float:
    """A service that never freezes."""
    return begins_s + work_s


def fast(chance: random.Random) -> float:
    """About 12 ms."""
    return 0.012 * chance.lognormvariate(0, 0.4)


def sometimes(share: float, more_s: float) -> Work:
    """Mostly fast, but a share of the requests takes longer."""
    return lambda chance: fast(chance) + (more_s if chance.random() < share else 0)


def arriving(
    chance: random.Random, rate: float, work: Work, ends: Ends, *, regular: bool = False
) -> Iterator[Request]:
    """An open load; some of the requests are of an endpoint that always takes 300 ms."""
    begins = 0.0
    while (begins := begins + (1 / rate if regular else chance.expovariate(rate))) < RUN_S:
        if chance.random() < 0.1:
            yield "POST /upload", begins, ends(begins, 0.3)
        else:
            yield "GET /", begins, ends(begins, work(chance))


def users(
    chance: random.Random, count: int, work: Work, ends: Ends, *, think_s: tuple[float, float]
) -> Iterator[Request]:
    """A closed load: users that think between two requests, started over 3 s."""
    next_starts = [(3 * n / count, n) for n in range(count)]
    heapq.heapify(next_starts)
    while next_starts:
        begins, user = heapq.heappop(next_starts)
        if begins < RUN_S:
            done = ends(begins, work(chance))
            yield "GET /", begins, done
            heapq.heappush(next_starts, (done + chance.uniform(*think_s), user))


def waves(chance: random.Random, every_s: float, jitter_s: float) -> Iterator[Request]:
    """50 requests together that take 300 ms each, again and again."""
    for wave in range(20):
        for _ in range(50):
            begins = wave * every_s
            yield "GET /", begins, begins + 0.3 + jitter_s * chance.random()


def record_of(requests: Iterator[Request]) -> Record:
    """Record these requests."""
    recorder = Recorder()
    sinks = {name: recorder.endpoint_sink("main", name, 0) for name in ("GET /", "POST /upload")}
    for endpoint, begins_s, done_s in requests:
        at, done = int(begins_s * 1e9), int(done_s * 1e9)
        sinks[endpoint].add(at, at, at + 1, done, 200, None)
    return recorder.snapshot()


THINK_S = (1.0, 3.0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("freeze_s", "every_s", "load"),
    [
        *((f, e, ("open", rate)) for f, e in [(0.3, 2), (0.5, 5)] for rate in (30, 200)),
        (0.4, 2, ("regular", 15)),
        *((f, e, ("users", 50)) for f, e in [(0.3, 2), (0.5, 5)]),
        *((f, e, ("busy users", 20)) for f, e in [(0.3, 2), (0.5, 5)]),
        (0.4, 2, ("busy users", 5)),
    ],
)
def test_a_freezing_service_is_found(
    freeze_s: float, every_s: float, load: tuple[str, int], seed: int
):
    """Freezes of 0.3 to 0.5 s are counted, measured and timed, under open and closed loads."""
    chance, ends, (kind, n) = random.Random(seed), freezing(freeze_s, every_s), load
    if kind in ("open", "regular"):
        requests = arriving(chance, n, fast, ends, regular=kind == "regular")
    else:
        requests = users(chance, n, fast, ends, think_s=THINK_S if kind == "users" else (0, 0))
    found = stalls(record_of(requests))
    freezes = RUN_S / every_s
    assert 0.6 * freezes <= found["count"] <= freezes + 1
    assert found["period_s"] == pytest.approx(every_s, abs=0.25)
    assert found["longest_ms"] >= 1000 * freeze_s - 100
    assert found["total_s"] == pytest.approx(found["count"] * freeze_s, rel=0.25)
    assert found["peak_waiting"] >= 3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rate", "regular"), [(8, True), (15, False)])
def test_where_few_meet_a_freeze_many_freezes_are_found(rate: int, *, regular: bool, seed: int):
    """At rates where three to six requests meet a freeze a third of the freezes is found."""
    requests = arriving(random.Random(seed), rate, fast, freezing(0.4, 2), regular=regular)
    assert 5 <= stalls(record_of(requests))["count"] <= 15


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rate", [8, 15, 30, 200])
@pytest.mark.parametrize(("share", "more_s"), [(0.05, 0.8), (0.2, 0.8), (0.01, 2), (1, 0.6)])
def test_slow_requests_are_no_stalls(share: float, more_s: float, rate: int, seed: int):
    """Requests that are slow, each for itself or all of them, are (but for a chance) no stalls."""
    work = sometimes(share, more_s)
    for regular in (False, True):
        requests = arriving(random.Random(seed), rate, work, steady, regular=regular)
        assert stalls(record_of(requests))["count"] <= 2 * (rate < 30)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("think_s", [(0, 0.3), THINK_S])
@pytest.mark.parametrize(("share", "more_s"), [(0.05, 0.8), (0.2, 0.8), (1, 0.6)])
def test_users_that_wait_each_for_itself_are_no_stalls(
    share: float, more_s: float, think_s: tuple[float, float], seed: int
):
    """Fifty users of whom some wait long, or all, meet no stall."""
    work = sometimes(share, more_s)
    requests = users(random.Random(seed), 50, work, steady, think_s=think_s)
    assert stalls(record_of(requests))["count"] == 0


@pytest.mark.parametrize("every_s", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("jitter_s", [0.0, 0.03, 0.3])
def test_waves_are_no_stalls(every_s: float, jitter_s: float):
    """Requests that begin together and take 300 ms each are answered after 300 ms: no stall."""
    assert stalls(record_of(waves(random.Random(1), every_s, jitter_s)))["count"] == 0


def test_a_freeze_among_requests_that_never_end_soon_is_found():
    """A few requests that hang for the whole run do not hide the freezes."""
    requests = arriving(random.Random(2), 50, fast, freezing(0.4, 2))
    hanging = [("GET /", 0.1 * n, RUN_S + 5) for n in range(5)]
    assert stalls(record_of(iter([*hanging, *requests])))["count"] >= 12


def test_without_requests_there_are_no_stalls():
    """A phase without requests has no stalls, and few stalls have no rhythm."""
    nothing = {"count": 0, "longest_ms": 0, "total_s": 0, "period_s": None, "peak_waiting": 0}
    assert stalls(Record()) == nothing
    assert find_stalls([], 50) == []
    once = stalls(record_of(arriving(random.Random(3), 50, fast, freezing(0.4, 20))))
    assert (once["count"], once["period_s"]) == (2, None)


def test_two_processes_stalls_are_those_of_their_service():
    """Merged from two processes, the stalls are those both saw."""
    requests = list(arriving(random.Random(5), 60, fast, freezing(0.4, 2)))
    halves = (record_of(iter(requests[n::2])) for n in range(2))
    assert stalls(Record().merge(*halves)) == stalls(record_of(iter(requests)))
    assert np.isclose(stalls(record_of(iter(requests)))["period_s"], 2, atol=0.06)
