"""Simulated services with one fault each, from requests to the diagnosis."""

import heapq
import random
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from diagnosis_results import DURATION_S, causes, complaint, first, healthy, pool
from straingauge.recording import Recorder
from straingauge.result.assembly import compose
from straingauge.workers import MergedReports, Report, RunMetadata

Request = tuple[str, float, float]
"""Endpoint, start and end in seconds."""
Serve = Callable[[float], float]
"""The end of a request, from its start; called in the order of the starts."""
NAMES = ("GET /items", "GET /kinds")


def closed(serve: Serve, *, users: int, think_s: float = 0.0) -> Iterator[Request]:
    """Users that send their next request after the response."""
    chance = random.Random(1)
    starts = [(0.001 * user, user) for user in range(users)]
    while starts:
        start_s, user = heapq.heappop(starts)
        if start_s < DURATION_S:
            end_s = serve(start_s)
            yield NAMES[user % 2], start_s, end_s
            heapq.heappush(starts, (end_s + chance.expovariate(1) * think_s, user))


def constant(serve: Serve, *, rate: float) -> Iterator[Request]:
    """Arrivals at a constant rate."""
    for number in range(int(rate * DURATION_S)):
        start_s = number / rate
        yield NAMES[number % 2], start_s, serve(start_s)


def at_a_time(places: int, work_s: float) -> Serve:
    """Serve a few requests at a time; the others wait in the order of their arrival."""
    free_s = [0.0] * places

    def serve(start_s: float) -> float:
        end_s = max(start_s, heapq.heappop(free_s)) + work_s
        heapq.heappush(free_s, end_s)
        return end_s

    return serve


def each_for_itself(work_s: Callable[[random.Random], float]) -> Serve:
    """Serve each request at once."""
    chance = random.Random(2)
    return lambda start_s: start_s + work_s(chance)


def pausing(pause_s: float, every_s: float, phase_s: float = 2.0) -> Serve:
    """Serve in 12 ms, but nothing during the pauses."""

    def serve(start_s: float) -> float:
        end_s, into_s = start_s + 0.012, (start_s - phase_s) % every_s
        return end_s if into_s > pause_s or start_s < phase_s else end_s + pause_s - into_s

    return serve


def run(requests: Iterable[Request], kind: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the result of these requests, which misses its target, on an idle machine."""
    recorder = Recorder()
    sinks = {name: recorder.endpoint_sink("main", name, 0) for name in NAMES}
    for name, start_s, end_s in requests:
        at_ns = int(start_s * 1e9)
        sinks[name].add(at_ns, at_ns, at_ns + 1, int(end_s * 1e9), 200, None)
    record = recorder.snapshot()
    report = Report("main", 1, record.requests("main"), record.to_bytes(), {})
    metadata = RunMetadata(
        name="simulated",
        started_at="2026-01-01T00:00:00+00:00",
        configuration={"users": 10, "schedule": {"kind": kind}},
        duration_s=DURATION_S,
    )
    measured = compose(MergedReports((report,), metadata=metadata))
    result = healthy(**changes)
    verdict = {"grade": "critical", "findings": [complaint(), complaint("p50_ms")]}
    resources = result["resources"]
    resources["service"]["event_loop"] = None
    resources["pool"] = None
    return {**measured, "resources": resources, "verdict": verdict}


@pytest.mark.parametrize(("places", "work_s"), [(1, 0.05), (3, 0.15), (2, 0.02)])
@pytest.mark.parametrize("users", [12, 40])
def test_a_service_that_serves_a_few_requests_at_a_time(places: int, work_s: float, users: int):
    """Users that wait for a lock while the CPU is idle name the limit and its size."""
    found = first(run(closed(at_a_time(places, work_s), users=users), "constantusers"))
    assert found["cause"] == "limited_concurrency"
    assert f"of which about {places} at a time were served" in found["evidence"][0]


def test_a_rare_endpoint_does_not_hide_the_queue_of_another():
    """The shape of the times of an endpoint with few requests says little about the others."""
    requests = list(closed(at_a_time(1, 0.05), users=12))
    result = run(requests, "constantusers")
    name = next(iter(result["endpoints"]))
    rare = deepcopy(result["endpoints"][name])
    rare["total_requests"] = len(requests) // 20
    rare["service_time_ms"] |= {"min": 0.7, "avg": 3.5, "p50": 1.7, "p95": 10.0}
    result["endpoints"]["GET /rare"] = rare
    assert first(result)["cause"] == "limited_concurrency"


def test_a_queue_over_many_endpoints():
    """A limit is named when its queue is spread over more endpoints than one can list."""
    result = run(list(closed(at_a_time(1, 0.05), users=12)), "constantusers")
    whole = next(iter(result["endpoints"].values()))
    part = {
        **whole,
        "total_requests": sum(each["total_requests"] for each in result["endpoints"].values())
        // 20,
    }
    result["endpoints"] = {f"GET /{number}": part for number in range(20)}
    assert first(result)["cause"] == "limited_concurrency"


def test_connections_that_are_not_accepted():
    """A server whose workers are all in use leaves connections in its queue."""
    rows = [{"t_s": n / 2, "accept_queue": 0 if n < 4 else 9} for n in range(60)]
    requests = list(closed(at_a_time(1, 0.05), users=12))
    found = first(run(requests, "constantusers", resources__samples=rows))
    assert any("up to 9 connections waited to be accepted" in each for each in found["evidence"])


@pytest.mark.parametrize(("places", "work_s"), [(1, 0.05), (3, 0.15)])
def test_arrivals_that_exceed_what_an_idle_service_completes(places: int, work_s: float):
    """A queue that grows in an open schedule is the limit, not a service that gets slower."""
    result = run(constant(at_a_time(places, work_s), rate=30), "constant")
    assert causes(result)[0] == "limited_concurrency"
    assert "arrived at 30/s and were completed at 20/s" in first(result)["evidence"][0]


@pytest.mark.parametrize(
    "work_s",
    [
        lambda _: 0.4,
        lambda chance: chance.uniform(0.01, 0.6),
        lambda chance: 0.012 + 0.8 * (chance.random() < 0.05),
        lambda chance: chance.lognormvariate(-2, 0.8),
    ],
    ids=["constant", "uniform", "tail", "lognormal"],
)
def test_requests_that_take_long_by_themselves_do_not_wait(
    work_s: Callable[[random.Random], float],
):
    """Slow requests that do not wait for each other show no limit of concurrency."""
    for users, think_s in ((10, 0.0), (40, 0.5)):
        requests = closed(each_for_itself(work_s), users=users, think_s=think_s)
        assert causes(run(requests, "constantusers"))[:1] != ["limited_concurrency"]
    requests = constant(each_for_itself(work_s), rate=40)
    assert "limited_concurrency" not in causes(run(requests, "constant"))


def test_a_full_cpu_or_pool_is_the_limit_itself():
    """Requests that wait for a full core or pool blame it, not a lock."""
    requests = list(closed(at_a_time(1, 0.05), users=20))
    busy = run(requests, "constantusers", resources__service__cpu_percent={"avg": 97.0})
    assert causes(busy)[0] == "cpu_bound"
    assert "limited_concurrency" not in causes(busy)
    waiting = run(requests, "constantusers")
    waiting["resources"]["pool"] = pool(
        size=1, peak_in_use=1, peak_waiters=19, avg_wait_ms=900.0, timeouts=2
    )
    assert causes(waiting)[0] == "pool_exhausted"


@pytest.mark.parametrize("pause_s", [0.8, 1.2])
@pytest.mark.parametrize("every_s", [7.0, 9.0])
@pytest.mark.parametrize("load", ["closed", "thinking", "rare", "open"])
def test_rare_long_pauses(pause_s: float, every_s: float, load: str):
    """Pauses of about a second that come rarely are pauses, not a slow tail."""
    serve = pausing(pause_s, every_s)
    requests = {
        "closed": lambda: (closed(serve, users=10), "constantusers"),
        "thinking": lambda: (closed(serve, users=20, think_s=0.5), "constantusers"),
        "rare": lambda: (closed(serve, users=10, think_s=2.0), "constantusers"),
        "open": lambda: (constant(serve, rate=30), "constant"),
    }[load]()
    assert causes(run(*requests))[0] == "freeze"


def test_a_single_pause_is_seen_by_the_requests_that_end_together():
    """One pause in a run is named from the slowest requests, which end at the same instant."""
    result = run(closed(pausing(1.0, 60.0, 12.0), users=20), "constantusers")
    found = first(result)
    assert found["cause"] == "freeze"
    assert any("waited for the same thing" in each for each in found["evidence"])


def test_a_neighbour_that_arrives_and_stays():
    """Response times that step up as another program takes the CPU do not blame the service."""

    def serve(start_s: float) -> float:
        return start_s + (0.01 if start_s < 14 else 0.05)

    rows = [
        {
            "t_s": 2.0 * n,
            "machine_cpu_s": 2.0 * n * 0.4 + max(0.0, 2.0 * n - 14) * 1.6,
            "service_family_cpu_s": 2.0 * n * 0.2,
            "database_cpu_s": 0.0,
            "generator_cpu_s": 2.0 * n * 0.2,
        }
        for n in range(16)
    ]
    result = run(
        constant(serve, rate=40),
        "constant",
        resources__samples=rows,
        resources__service__cpu_wait_percent={"avg": 40.0, "peak": 80.0},
        resources__machine__others_cpu_percent={"avg": 85.0, "peak": 160.0},
    )
    found = first(result)
    assert found["cause"] == "noisy_neighbour"
    assert "other programs used 160 % of a core from 14 s on" in found["evidence"][0]
    assert found["evidence"][-1].startswith("the median response time was 10 ms before and 4")
    result["resources"]["service"]["cpu_wait_percent"] = {"avg": 0.1, "peak": 1.0}
    assert "noisy_neighbour" not in causes(result)  # it got the CPU whenever it needed it
    quiet = run(constant(serve, rate=40), "constant")
    assert "noisy_neighbour" not in causes(quiet)
