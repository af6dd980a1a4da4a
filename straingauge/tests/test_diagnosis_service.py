"""Each test gives a result that shows one fault; the first cause must be that fault."""

from typing import Any

from diagnosis_results import (
    causes,
    complaint,
    failed_run,
    first,
    healthy,
    loop,
    pool,
    samples,
    slow,
    slowed,
    stalls,
    timing,
)
from straingauge.diagnosis import diagnose, warnings

WAITING = timing(pool=0.85, db=0.08, app=0.05, unattributed=0.02)
FULL_POOL = pool(size=3, peak_in_use=3, peak_waiters=90, avg_wait_ms=300.0)
LEAK = {
    "initial_mb": 100.0,
    "growth_mb": 12.0,
    "later_trend_mb_per_200_requests": {"slope": 2.6, "low": 2.1, "high": 3.0},
    "still_growing": True,
}


def test_an_event_loop_that_is_blocked():
    """A blocked event loop delays every request: it ranks before pauses, tail and pool."""
    result = failed_run(
        metrics__stalls=stalls(12, 280, every_s=2.5),
        resources__service__event_loop=loop(12, 300.0),
        resources__pool=FULL_POOL,
    )
    result = slowed(result, 12, 290, 310)
    assert causes(result)[0] == "event_loop_blocked"
    assert "freeze" in causes(result)


def test_short_blocks_make_no_long_delays():
    """A loop blocked for 100 ms does not explain requests of a second."""
    result = slowed(failed_run(resources__service__event_loop=loop(20, 110.0)), 10, 1000, 1100)
    assert causes(result)[0] == "slow_tail"


def test_a_freeze_with_a_free_loop():
    """Repeated pauses while the event loop runs are a freeze, not a blocked loop."""
    result = failed_run(
        metrics__stalls=stalls(6, 480, every_s=5.0),
        resources__service__event_loop=loop(0, 0.0),
    )
    result = slowed(result, 12, 400, 500)
    assert causes(result)[0] == "freeze"
    assert "event_loop_blocked" not in causes(result)
    assert "the event loop was not blocked during the pauses" in first(result)["evidence"]


def test_slow_requests_of_a_wave_are_no_freeze():
    """The silence at the end of each wave is no freeze."""
    result = failed_run(
        metrics__stalls=stalls(6, 800, every_s=1.0),
        resources__service__event_loop=loop(0, 0.0),
        configuration__schedule={"kind": "waves"},
    )
    assert causes(slowed(result, 12, 700, 800))[0] == "slow_tail"


def test_a_wave_that_is_slow_as_a_whole_is_no_tail():
    """If the slowest requests are one wave, the start is named if it is the first, else nothing."""
    waves = {"kind": "waves", "concurrent": 100, "every_s": 0.5, "at_least": 1, "at_most": 9}

    def slow_at(*starts_s: float, waves_in_all: int = 9) -> dict[str, Any]:
        result = failed_run(
            configuration__schedule=waves,
            metrics__total_requests=100 * waves_in_all,
            metrics__slowest=[
                slow("GET /items", 700.0 - n, at_s=starts_s[n % len(starts_s)]) for n in range(20)
            ],
        )
        return slowed(result, 28, 650, 700)

    assert causes(slow_at(0.0)) == ["slow_start"]
    assert "came in the first wave" in first(slow_at(0.0))["evidence"][0]
    assert causes(slow_at(2.0)) == []
    assert causes(slow_at(0.0, 0.5, 1.0, 1.5)) == ["slow_tail"]
    assert causes(slow_at(0.0, waves_in_all=2)) == []


def test_expensive_requests():
    """Requests that compute fill a core and block the loop: the CPU ranks first."""
    result = failed_run(
        metrics__server_timing=timing(pool=0.02, db=0.03, app=0.6, unattributed=0.35),
        resources__service__cpu_percent={"avg": 99.0},
        resources__service__event_loop=loop(200, 900.0),
        metrics__stalls=stalls(20, 900, every_s=1.5),
    )
    result = slowed(result, 700, 1200, 1500)
    assert causes(result)[0] == "cpu_bound"
    assert {"event_loop_blocked", "slow_endpoint"} <= set(causes(result))
    assert "33 ms of CPU per request" in first(result)["evidence"][0]


def test_a_full_core_of_cheap_requests_is_no_cause():
    """A closed load fills a core by itself; the small pool is named, not the CPU."""
    result = failed_run(
        metrics__total_requests=9000,
        metrics__server_timing=WAITING,
        resources__service__cpu_percent={"avg": 97.0},
        resources__pool=FULL_POOL,
    )
    assert causes(slowed(result, 250, 400, 500))[0] == "pool_exhausted"


def test_one_function_that_computes_most_of_the_time():
    """A process that also waits for its database is out of CPU if one function has most of it."""
    line = {"state": "running", "file": "app/report.py", "line": 7, "function": "render"}
    result = failed_run(metrics__total_requests=400, resources__service__cpu_percent={"avg": 75.0})
    result = slowed(result, 900, 1200, 1500)
    assert causes(result)[0] != "cpu_bound"
    profile = {"running_samples": 300, "lines": [{**line, "own_samples": 240}]}
    result["profile"] = {**profile, "snapshots": {"count": 0}, "stalls": []}
    assert causes(result)[0] == "cpu_bound"
    profile["lines"][0]["own_samples"] = 90
    assert causes(result)[0] != "cpu_bound"


def test_cheap_requests_that_queue_for_a_full_core():
    """Requests that only wait for a busy process name its CPU."""
    timed = timing(pool=0.01, db=0.01, app=0.02, unattributed=0.96)
    timed["parts"]["unattributed"]["p50_ms"] = 470.0
    result = failed_run(
        metrics__total_requests=14000,
        metrics__server_timing=timed,
        resources__service__cpu_percent={"avg": 95.0},
    )
    assert causes(slowed(result, 480, 620, 660))[:2] == ["cpu_bound", "slow_endpoint"]


def test_a_memory_leak():
    """Memory that still grows in the second half and stays in the cooldown is named."""
    leaking = healthy(resources__service__memory=LEAK, resources__cooldown__memory_mb=112.0)
    found = first(leaking)
    assert found["cause"] == "memory_leak"
    assert "2.6 MB per 200 requests (at least 2.1)" in found["evidence"][0]
    assert [each.cause for each in warnings(leaking)] == ["memory_leak"]


def test_a_heap_that_warms_up():
    """Memory whose growth slows down is no certain leak, and no warning by itself."""
    warming = {**LEAK, "trend_mb_per_200_requests": {"slope": 6.0, "low": 5.0, "high": 7.0}}
    result = healthy(resources__service__memory=warming, resources__cooldown__memory_mb=112.0)
    assert warnings(result) == []
    result = failed_run(
        complaint("memory_peak_mb"),
        resources__service__memory=warming,
        resources__cooldown__memory_mb=112.0,
    )
    assert first(result)["cause"] == "memory_leak"
    assert first(result)["confidence"] == 0.5
    assert "some minutes" in first(result)["advice"][0]
    steady = {**LEAK, "trend_mb_per_200_requests": {"slope": 2.8, "low": 2.1, "high": 3.0}}
    leak = healthy(resources__service__memory=steady, resources__cooldown__memory_mb=112.0)
    assert [each.cause for each in warnings(leak)] == ["memory_leak"]


def test_growth_without_a_cooldown_is_no_warning():
    """Growth not confirmed in the cooldown is a possible cause, and no warning by itself."""
    growing = healthy(resources__service__memory=LEAK, resources__cooldown=None)
    assert warnings(growing) == []
    assert diagnose(growing) == []
    assert causes(failed_run(complaint("memory_peak_mb"), resources__service__memory=LEAK))


def test_a_file_leak():
    """Files that rise to the end and stay open rank before the memory they take."""
    leaking = healthy(
        resources__samples=samples(open_files=list(range(40, 640, 10))),
        resources__cooldown__open_files=630,
        resources__service__memory=LEAK,
        resources__cooldown__memory_mb=112.0,
    )
    assert causes(leaking)[:2] == ["file_leak", "memory_leak"]
    assert warnings(leaking)[0].cause == "file_leak"


def test_a_file_leak_after_the_clients_disconnected():
    """Client connections closed before the last sample hide no file that stays open."""
    rows = samples(open_files=list(range(140, 740, 10)))
    gone = [{"t_s": 30.3 + i / 50, "open_files": 635} for i in range(6)]
    leaking = healthy(resources__samples=[*rows, *gone], resources__cooldown__open_files=635)
    assert [each.cause for each in warnings(leaking)] == ["file_leak"]


def test_a_thread_leak():
    """Threads that requests start and leave behind are named; a thread pool that fills is not."""
    rising = healthy(
        resources__samples=samples(threads=list(range(12, 72))), resources__cooldown__threads=71
    )
    assert [each.cause for each in warnings(rising)] == ["thread_leak"]
    filled = [min(12 + n, 40) for n in range(60)]
    pool = healthy(resources__samples=samples(threads=filled), resources__cooldown__threads=40)
    assert causes(pool) == []


def test_a_thread_that_every_upload_leaves_behind():
    """A few threads that rise steadily and stay are a leak; few that fill an executor are not."""
    steadily = [12 + n // 5 for n in range(60)]
    leak = healthy(resources__samples=samples(threads=steadily), resources__cooldown__threads=23)
    assert [each.cause for each in warnings(leak)] == ["thread_leak"]
    filling = [min(12 + n // 2, 30) + n // 15 for n in range(60)]
    full = healthy(resources__samples=samples(threads=filling), resources__cooldown__threads=33)
    assert causes(full) == []


def test_more_threads_than_requests_in_flight():
    """In a short run, threads that outnumber the requests in flight and stay are left behind."""

    def short(threads: list[int], language: str = "python") -> dict[str, Any]:
        rows = [{"t_s": n / 2, "threads": count} for n, count in enumerate(threads)]
        return healthy(
            configuration__users=10,
            resources__samples=rows,
            resources__cooldown__threads=threads[-1],
            resources__service__runtime={"language": language, "server": None},
        )

    waves = short([5, 12, 15, 22, 25, 33, 35, 41, 45])
    assert [each.cause for each in warnings(waves)] == ["thread_leak"]
    assert "40 more threads than before the load remained" in first(waves)["evidence"][0]
    assert "py-spy dump --pid PID lists them with their stacks" in first(waves)["advice"]
    assert warnings(short([5, 12, 15, 22, 25, 33, 35, 41, 45], "jvm")) == []
    assert warnings(short([5, 5, 69, 69, 69, 69, 69, 69, 69])) == []  # a library, one for each core
    assert warnings(short([5, 12, 15, 15, 15, 25, 25, 25, 25])) == []  # executors
    waves["resources"]["cooldown"]["threads"] = 6
    assert warnings(waves) == []


def test_a_server_that_has_no_keep_alive():
    """A server that closes connections by design is no warning."""
    processes = {"a": {"sent": 900, "connections": 900, "reconnects": 0, "closed_idle": 0}}
    closed = healthy(resources__generator={"processes": processes})
    assert [each.cause for each in warnings(closed)] == ["keep_alive_off"]
    closed["resources"]["service"]["runtime"] = {"language": "python", "server": "gunicorn"}
    assert warnings(closed) == []
    closed["verdict"] = {"grade": "critical", "findings": [complaint()]}
    (cause,) = (each for each in diagnose(closed) if each["cause"] == "keep_alive_off")
    assert cause["confidence"] == 0.5
    assert "gunicorn closes the connection after each response, by design" in cause["evidence"]


def test_a_heap_that_is_collected_late():
    """Memory of a runtime that collects late is no certain leak before minutes have passed."""
    leaking = healthy(
        resources__service__memory=LEAK,
        resources__cooldown__memory_mb=112.0,
        resources__service__runtime={"language": "javascript", "server": None},
    )
    assert warnings(leaking) == []
    leaking["metrics"]["duration_s"] = 600.0
    assert [each.cause for each in warnings(leaking)] == ["memory_leak"]
    assert any("heap snapshots" in each for each in first(leaking)["advice"])


def test_no_keep_alive():
    """A connection per request is a warning, even though loopback makes it cheap."""
    parts = {"a": {"sent": 900, "connections": 890}}
    closing = healthy(resources__generator__processes=parts)
    assert causes(closing) == ["keep_alive_off"]
    assert [each.cause for each in warnings(closing)] == ["keep_alive_off"]
    closing["metrics"]["streams"] = {"ended": {"limit": 800, "load_end": 80}}
    assert causes(closing) == []  # the test itself has closed them


def test_connections_closed_while_idle():
    """A server may close connections that users leave idle for seconds without a warning."""
    parts = {"a": {"sent": 900, "connections": 890}}
    result = healthy(resources__generator__processes=parts, metrics__duration_s=120.0)
    assert causes(result) == []


def test_jobs_that_are_not_processed():
    """A queue that only grows is a warning, unless the run was too short to tell."""
    stuck = {"waiting": {"initial": 0, "peak": 30, "final": 30}, "done": 0}
    assert causes(healthy(resources__jobs=stuck)) == ["jobs_not_draining"]
    assert causes(healthy(resources__jobs=stuck, metrics__duration_s=3.0)) == []


def calls(**changes: float) -> list[dict[str, Any]]:
    """A host with calls that wait: of 0.3 requests in flight."""
    usual = {"host": "10.0.0.7:443", "program": None, "samples": 20, "waiting_peak": 3}
    return [{**usual, "waiting_avg": 0.2, "longest_ms": 700.0, **changes}]


def test_calls_that_take_the_time_of_a_tail():
    """Calls without a response during much of the requests' time name the other service."""
    result = failed_run(resources__service__calls=calls())
    result = slowed(result, 10, 12, 800)
    for each in result["endpoints"].values():
        each["service_time_ms"] = {"avg": 10.0}
    found = first(result)
    assert found["cause"] == "slow_dependency"
    assert found["confidence"] <= 0.75
    assert "0.2 calls to 10.0.0.7:443 waited" in found["evidence"][0]
    assert found["where"] == [{"kind": "call", "host": "10.0.0.7:443", "endpoint": None}]
    result["metrics"]["stalls"] = stalls(
        3, 900, every_s=None
    )  # all workers wait for the other service
    assert causes(result)[0] == "slow_dependency"
    result["metrics"]["stalls"] = healthy()["metrics"]["stalls"]
    for unrelated in (calls(waiting_avg=0.02), calls(samples=2)):
        result["resources"]["service"]["calls"] = unrelated
        assert "slow_dependency" not in causes(result)
    for background in (calls(waiting_avg=5.0), calls(longest_ms=9000.0)):
        result["resources"]["service"]["calls"] = background
        assert causes(result)[0] == "slow_tail"


def test_slow_requests_that_met_a_pause():
    """Requests that wait in pauses of the whole service are no tail, whatever paused it."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 180.0}}
    for count, expected in ((3, "freeze"), (0, "slow_tail")):
        result = failed_run(
            metrics__stalls=stalls(count, 1600, every_s=4.0),
            resources__machine=crowded,
            resources__service__cpu_wait_percent={"avg": 40.0, "peak": 80.0},
            resources__service__event_loop=None,
        )
        result = slowed(result, 10, 30, 1500)
        result["metrics"]["latency_ms"]["avg"] = 120.0
        assert causes(result)[0] == expected
