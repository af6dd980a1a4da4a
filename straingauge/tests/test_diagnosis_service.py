"""Each test is a fault as it shows in a result; the first cause named has to be the fault."""

from diagnosing import (
    causes,
    complaint,
    first,
    healthy,
    ill,
    loop,
    pool,
    samples,
    slowed,
    stalls,
    timing,
)
from straingauge.diagnosis import diagnose, warnings

WAITING = timing(pool=0.85, db=0.08, app=0.05, rest=0.02)
FULL_POOL = pool(size=3, peak_in_use=3, peak_waiters=90, wait_avg_ms=300.0)
LEAK = {
    "initial_mb": 100.0,
    "growth_mb": 12.0,
    "later_trend_mb_per_200_requests": {"slope": 2.6, "low": 2.1, "high": 3.0},
    "steady": True,
}


def test_an_event_loop_that_is_blocked():
    """A loop that stands still stops everybody: it is named before stalls, tail and pool."""
    result = ill(
        metrics__stalls=stalls(12, 280, every_s=2.5),
        resources__service__event_loop=loop(12, 300.0),
        resources__pool=FULL_POOL,
    )
    result = slowed(result, 12, 290, 310)
    assert causes(result)[0] == "event_loop_blocked"
    assert "freeze" in causes(result)


def test_short_blocks_make_no_long_delays():
    """A loop blocked for a tenth of a second is not why requests take a whole one."""
    result = slowed(ill(resources__service__event_loop=loop(20, 110.0)), 10, 1000, 1100)
    assert causes(result)[0] == "slow_tail"


def test_a_freeze_with_a_free_loop():
    """All stand still again and again while the event loop runs: a freeze, not a blocked loop."""
    result = ill(
        metrics__stalls=stalls(6, 480, every_s=5.0),
        resources__service__event_loop=loop(0, 0.0),
    )
    result = slowed(result, 12, 400, 500)
    assert causes(result)[0] == "freeze"
    assert "event_loop_blocked" not in causes(result)
    assert "the event loop was not blocked during the pauses" in first(result)["evidence"]


def test_a_few_slow_ones_of_a_wave_are_no_freeze():
    """Where nobody comes before a wave's slowest is answered, silence is the rule."""
    result = ill(
        metrics__stalls=stalls(6, 800, every_s=1.0),
        resources__service__event_loop=loop(0, 0.0),
        configuration__schedule={"kind": "waves"},
    )
    assert causes(slowed(result, 12, 700, 800))[0] == "slow_tail"


def test_cpu_burnt_by_requests():
    """Requests that compute fill a core and hold up the loop: the CPU is named."""
    result = ill(
        metrics__server_timing=timing(pool=0.02, db=0.03, app=0.6, rest=0.35),
        resources__service__cpu_percent={"avg": 99.0},
        resources__service__event_loop=loop(200, 900.0),
        metrics__stalls=stalls(20, 900, every_s=1.5),
    )
    result = slowed(result, 700, 1200, 1500)
    assert causes(result)[0] == "cpu_bound"
    assert {"event_loop_blocked", "slow_endpoint"} <= set(causes(result))
    assert "33.0 ms of CPU per request" in first(result)["evidence"][0]


def test_a_full_core_of_cheap_requests_is_no_root():
    """A load as fast as it is answered fills a core; the small pool is still what is named."""
    result = ill(
        metrics__total_requests=9000,
        metrics__server_timing=WAITING,
        resources__service__cpu_percent={"avg": 97.0},
        resources__pool=FULL_POOL,
    )
    assert causes(slowed(result, 250, 400, 500))[0] == "pool_exhausted"


def test_cheap_requests_that_queue_before_a_full_core():
    """Where requests do nothing but wait for a process that is busy, its CPU is what is short."""
    timed = timing(pool=0.01, db=0.01, app=0.02, rest=0.96)
    timed["parts"]["rest"]["p50_ms"] = 470.0
    result = ill(
        metrics__total_requests=14000,
        metrics__server_timing=timed,
        resources__service__cpu_percent={"avg": 95.0},
    )
    assert causes(slowed(result, 480, 620, 660))[:2] == ["cpu_bound", "slow_endpoint"]


def test_a_leak_is_a_danger():
    """Memory that still grows in the second half and stays at rest is named, threshold or not."""
    leaking = healthy(resources__service__memory=LEAK, resources__after__memory_mb=112.0)
    found = first(leaking)
    assert found["cause"] == "memory_leak"
    assert "2.60 MB per 200 requests (at least 2.10)" in found["evidence"][0]
    assert [each.cause for each in warnings(leaking)] == ["memory_leak"]


def test_a_leak_nobody_looked_at_at_rest_is_no_alarm():
    """Growth that was not confirmed at rest is a cause to think of, and no warning of its own."""
    growing = healthy(resources__service__memory=LEAK, resources__after=None)
    assert warnings(growing) == []
    assert diagnose(growing) == []
    assert causes(ill(complaint("memory_peak_mb"), resources__service__memory=LEAK))


def test_files_that_stay_open():
    """Files that rise to the end and stay open are named, before the memory they take."""
    leaking = healthy(
        resources__samples=samples(open_files=list(range(40, 640, 10))),
        resources__after__open_files=630,
        resources__service__memory=LEAK,
        resources__after__memory_mb=112.0,
    )
    assert causes(leaking)[:2] == ["file_leak", "memory_leak"]
    assert warnings(leaking)[0].cause == "file_leak"


def test_files_that_stay_open_when_the_clients_have_gone():
    """The clients' connections that are closed by the last look hide no file that stays open."""
    rows = samples(open_files=list(range(140, 740, 10)))
    gone = [{"t_s": 30.3 + i / 50, "open_files": 635} for i in range(6)]
    leaking = healthy(resources__samples=[*rows, *gone], resources__after__open_files=635)
    assert [each.cause for each in warnings(leaking)] == ["file_leak"]


def test_threads_that_never_end():
    """Threads that requests start and leave behind are named; a pool that fills is not."""
    rising = healthy(
        resources__samples=samples(threads=list(range(12, 72))), resources__after__threads=71
    )
    assert [each.cause for each in warnings(rising)] == ["thread_leak"]
    filled = [min(12 + n, 40) for n in range(60)]
    pool = healthy(resources__samples=samples(threads=filled), resources__after__threads=40)
    assert causes(pool) == []


def test_no_keep_alive():
    """A connection for each request is a warning though loopback makes it cheap."""
    parts = {"a": {"sent": 900, "connections": 890}}
    closing = healthy(resources__generator__processes=parts)
    assert causes(closing) == ["keep_alive_off"]
    assert [each.cause for each in warnings(closing)] == ["keep_alive_off"]


def test_connections_closed_while_idle():
    """A server may close what its users leave idle for seconds: no keep-alive is missed."""
    parts = {"a": {"sent": 900, "connections": 890}}
    result = healthy(resources__generator__processes=parts, metrics__duration_s=120.0)
    assert causes(result) == []


def test_jobs_that_nobody_does():
    """A queue that only grows is a warning; in a run of seconds it may just have begun."""
    stuck = {"waiting": {"initial": 0, "peak": 30, "final": 30}, "done": 0}
    assert causes(healthy(resources__jobs=stuck)) == ["jobs_not_draining"]
    assert causes(healthy(resources__jobs=stuck, metrics__duration_s=3.0)) == []
