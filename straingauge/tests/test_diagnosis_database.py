"""Each test gives a result that shows one fault; the first cause must be that fault."""

import pytest
from diagnosis_results import (
    ENDPOINTS,
    causes,
    complaint,
    errors_of,
    failed_run,
    first,
    latency,
    loop,
    pool,
    samples,
    slow,
    slowed,
    stalls,
    statement,
    table,
    timing,
)
from straingauge.diagnosis import diagnose, warnings

DATABASE = timing(pool=0.02, db=0.9, app=0.05, unattributed=0.03)
WAITING = timing(pool=0.85, db=0.08, app=0.05, unattributed=0.02)
FULL_POOL = pool(size=3, peak_in_use=3, peak_waiters=90, avg_wait_ms=300.0)


def test_a_pool_too_small():
    """Fast statements, all connections in use and long waits for one: the pool is exhausted."""
    result = failed_run(resources__pool=FULL_POOL, metrics__server_timing=WAITING)
    found = first(slowed(result, 250, 400, 500))
    assert found["cause"] == "pool_exhausted"
    assert found["confidence"] >= 0.9
    assert "all 3 connections were in use (size 3), up to 90 requests waited" in str(found)
    assert "raise pool size" in str(found["advice"])


def test_a_full_pool_of_one_of_several_processes():
    """Requests wait for the pool of their process, though others have free connections."""
    uneven = pool(size=8, peak_in_use=5, peak_waiters=30, avg_wait_ms=200.0)
    result = failed_run(
        metrics__server_timing=timing(pool=0.8, db=0.1, app=0.1),
        resources__pool=uneven,
        resources__service__processes={"initial": 4, "peak": 4, "final": 4},
    )
    found = first(slowed(result, 250, 400, 500))
    assert found["cause"] == "pool_exhausted"
    assert "5 connections were in use (size 8, 4 processes), up to 30 requests waited" in " ".join(
        found["evidence"]
    )


def test_a_full_pool_that_only_the_database_shows():
    """Without pool metrics, connections that are all in use while requests wait show the pool."""
    result = failed_run(
        resources__pool=None,
        resources__samples=samples(
            db_connections=[4], db_active=[3, 4, 2], db_idle_in_transaction=[1, 0, 2]
        ),
        metrics__server_timing={},
    )
    result = slowed(result, 600, 800, 900)
    for each in result["endpoints"].values():
        each["service_time_ms"] = {"avg": 600.0}
    found = first(result)
    assert found["cause"] == "pool_exhausted"
    assert "all 4 connections to the database were in use in 100%" in found["evidence"][0]
    for row in result["resources"]["samples"]:
        row["db_idle_in_transaction"] = 0
    assert "pool_exhausted" not in causes(result)


def test_pool_timeouts_in_error_messages():
    """Errors that quote a pool timeout name the pool, even without pool metrics."""
    words = "status 500: QueuePool limit of size 5 overflow 0 reached, connection timed out"
    result = failed_run(
        complaint("error_rate_percent"), **errors_of("bad_status", 30, words, status=500)
    )
    result["resources"]["pool"] = result["metrics"]["server_timing"] = None
    assert causes(result)[:2] == ["pool_exhausted", "endpoint_errors"]


def test_a_busy_pool_is_no_cause_of_a_tail():
    """A full pool is not blamed if the slowest requests hardly waited for it."""
    result = slowed(failed_run(resources__pool=pool(peak_in_use=10, peak_waiters=40)), 60, 850, 860)
    result["resources"]["pool"]["avg_wait_ms"] = 20.0
    outside = {"pool": 15.0, "db": 5.0, "app": 4.0}
    result["metrics"]["slowest"] = [
        slow(ENDPOINTS[i % 3], 850 + i, at_s=i, **outside) for i in range(20)
    ]
    assert causes(result)[0] == "slow_tail"


def test_leaked_connections():
    """A pool whose minimum rises and stays in the cooldown leaks, which explains a full pool."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("timeout", 40, "no answer within 30 s"),
        resources__pool=pool(timeouts=40, peak_in_use=10, peak_waiters=20, avg_wait_ms=9000),
        resources__cooldown__pool_in_use=10,
        resources__samples=samples(pool_in_use=[0, 2, 3, 5, 6, 8, 10, 10]),
    )
    assert causes(result)[:2] == ["connections_leaked", "pool_exhausted"]


def test_a_missing_index():
    """A table read as a whole makes statements slow and fills the pool: the index ranks first."""
    scanned = table(seq_scans=900, rows_per_seq_scan=50_000, seq_rows_read=45_000_000)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=80.0, total_ms=72e3)
    result = failed_run(
        metrics__server_timing=timing(pool=0.5, db=0.45, app=0.03, unattributed=0.02),
        resources__pool=FULL_POOL,
        resources__database__tables=[table("kinds", rows=12), scanned],
        resources__database__statements=[{**lookup, "share": 0.95}],
    )
    result = slowed(result, 250, 400, 500)
    assert causes(result)[0] == "missing_index"
    assert set(causes(result)) >= {"slow_statement", "pool_exhausted", "slow_endpoint"}
    assert (
        "about 1 row is returned each time: SELECT * FROM items WHERE owner = $1"
        in first(result)["evidence"][1]
    )


def test_a_scan_that_takes_no_time_is_not_blamed():
    """Scans of a small table, 0.27 ms each, are no cause beside a pool with 92 % of the time."""
    scanned = table(rows=2_600, seq_scans=900, rows_per_seq_scan=2_600)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=0.27, total_ms=243.0)
    result = failed_run(
        metrics__server_timing=timing(pool=0.92, db=0.01, app=0.05, unattributed=0.02),
        resources__pool=FULL_POOL,
        resources__database__tables=[scanned],
        resources__database__statements=[lookup],
    )
    assert causes(slowed(result, 250, 400, 500))[0] == "pool_exhausted"
    assert "missing_index" not in causes(slowed(result, 250, 400, 500))


def test_a_scan_within_the_thresholds_warns_and_explains_no_other_failure():
    """Scans of many rows are a warning, but not the cause where they take a small share."""
    scanned = table(seq_scans=900, rows_per_seq_scan=20_000)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=3.0, total_ms=2.7e3)
    result = failed_run(
        metrics__server_timing=WAITING,
        resources__pool=FULL_POOL,
        resources__database__tables=[scanned],
        resources__database__statements=[lookup],
    )
    result = slowed(result, 250, 400, 500)
    measured = {key: value for key, value in result.items() if key != "verdict"}
    (warning,) = (each for each in warnings(measured) if each.cause == "missing_index")
    result["verdict"]["findings"].append(warning.as_dict())
    found = {each["cause"]: each["confidence"] for each in diagnose(result)}
    assert next(iter(found)) == "pool_exhausted"
    assert found["missing_index"] < 0.5
    for each in result["verdict"]["findings"]:
        each["grade"] = "acceptable" if each.get("cause") is None else each["grade"]
    assert causes(result)[0] == "missing_index"  # nothing else failed


def test_a_scan_behind_a_blocked_loop_is_not_blamed():
    """Without pool metrics, a quick scan explains no response time of 400 ms."""
    scanned = table(rows=2_600, seq_scans=900, rows_per_seq_scan=2_600)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=0.27, total_ms=243.0)
    result = failed_run(
        resources__service__event_loop=loop(60, 400),
        resources__database__tables=[scanned],
        resources__database__statements=[lookup],
    )
    result["resources"]["pool"] = result["metrics"]["server_timing"] = None
    found = causes(slowed(result, 400, 800, 900))
    assert found[0] == "event_loop_blocked"
    assert "missing_index" not in found


def test_a_scan_that_keeps_all_connections_busy_is_blamed():
    """Without pool metrics, scans that fill all connections explain the requests that wait."""
    scanned = table(seq_scans=900, rows_per_seq_scan=50_000)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=90.0, total_ms=81e3)
    result = failed_run(
        resources__database__tables=[scanned],
        resources__database__statements=[lookup],
        resources__database__connections={"max": 100, "peak": 3},
    )
    result["resources"]["pool"] = result["metrics"]["server_timing"] = None
    found = first(slowed(result, 2_000, 2_800, 2_900))
    assert found["cause"] == "missing_index"
    assert found["confidence"] >= 0.9


def test_scans_that_take_all_cores_are_blamed():
    """Scans on all cores explain requests that wait for a core, more than for the statement."""
    scanned = table(seq_scans=900, rows_per_seq_scan=50_000)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=20.0, total_ms=18e3)
    for used, expected in ((120.0, True), (2.0, False)):
        result = failed_run(
            metrics__server_timing=timing(pool=0.02, db=0.1, app=0.08, unattributed=0.8),
            resources__database__tables=[scanned],
            resources__database__statements=[lookup],
        )
        result["resources"]["machine"] |= {
            "cpu_percent": {"avg": 190.0, "peak": 200.0},
            "database_cpu_percent": {"avg": used, "peak": 200.0},
        }
        found = {
            each["cause"]: each["confidence"] for each in diagnose(slowed(result, 900, 1000, 1100))
        }
        assert (found.get("missing_index", 0) >= 0.9) is expected


def test_a_scan_of_a_rare_endpoint_is_blamed_for_it():
    """A scan in one of many requests explains the endpoint that missed its threshold."""
    scanned = table(seq_scans=60, rows_per_seq_scan=50_000)
    lookup = statement("SELECT * FROM items WHERE owner = $1", calls=60, total_ms=18e3)
    result = failed_run(
        complaint(where="GET /search"),
        resources__database__tables=[scanned],
        resources__database__statements=[{**lookup, "calls_per_request": 0.07}],
    )
    slowed(result, 300, 350, 400)
    result["endpoints"]["GET /search"] = {
        "total_requests": 60,
        "latency_ms": latency(310, 350, 400),
    }
    assert first(result)["cause"] == "missing_index"


def test_a_loop_of_one_endpoint_is_found_in_a_mix():
    """Ten calls for each of 88 lists are N+1 of that endpoint, though one per request overall."""
    outer = statement("SELECT * FROM users LIMIT $1", calls=88, rows=880, calls_per_request=0.1)
    inner = statement("SELECT * FROM teams WHERE id = $1", calls=880, rows=880, total_ms=450.0)
    lists = {"total_requests": 88, "latency_ms": latency(40, 60, 70)}
    others = {"total_requests": 356, "latency_ms": latency(5, 6, 7)}
    mix = {"GET /users": lists, "GET /teams": others, "GET /teams/{id}": others}
    result = failed_run(
        complaint(where="GET /users"),
        endpoints=mix,
        resources__database__statements=[outer, {**inner, "calls_per_request": 1.1}],
    )
    result["metrics"]["total_requests"] = 800
    found = first(result)
    assert found["cause"] == "n_plus_one"
    assert "10 times per request of GET /users (880 calls for 88)" in found["evidence"][0]


def test_a_statement_of_every_request_is_no_loop():
    """A statement that one endpoint, or every request, runs once is no N+1 of a rarer one."""
    outer = statement("SELECT * FROM users LIMIT $1", calls=90, rows=900, calls_per_request=0.1)
    for others in (810, 900):  # 900 requests in all, or 900 of the other endpoint
        login = statement("SELECT * FROM keys WHERE id = $1", calls=900, total_ms=45e3)
        mix = {
            "GET /users": {"total_requests": 90, "latency_ms": latency(400, 600, 700)},
            "GET /teams": {"total_requests": others, "latency_ms": latency(50, 60, 70)},
        }
        result = failed_run(endpoints=mix, resources__database__statements=[outer, login])
        result["metrics"]["total_requests"] = 90 + others
        assert "n_plus_one" not in causes(result)


def test_a_loop_that_takes_no_time_is_not_blamed():
    """Four quick calls of a request of two seconds are not what makes it slow."""
    quick = statement("SELECT 1 FROM kinds WHERE id = $1", calls=3_600, total_ms=36.0)
    result = failed_run(resources__database__statements=[{**quick, "calls_per_request": 4.0}])
    assert "n_plus_one" not in causes(slowed(result, 2_000, 2_400, 2_500))


@pytest.mark.parametrize(
    ("before", "kept", "idle_s", "confidence"),
    [(0, 6, 8.0, 0.87), (0, 1, 8.0, 0.4), (6, 6, 90.0, None), (0, 0, 0.0, None)],
)
def test_sessions_left_in_a_transaction_without_pool_metrics(
    before: int, kept: int, idle_s: float, confidence: float | None
):
    """PostgreSQL alone shows sessions that stay idle in a transaction after the load."""
    result = failed_run(
        complaint("error_rate_percent"),
        **errors_of("timeout", 40, "no answer within 30 s"),
        resources__samples=samples(db_idle_in_transaction=[before, 1, 2, 3, 4, 5, 6, 6]),
    )
    result["resources"]["pool"] = None
    result["resources"]["cooldown"] |= {
        "pool_in_use": None,
        "database_idle_in_transaction": kept,
        "database_idle_in_transaction_s": idle_s,
    }
    found = {each["cause"]: each["confidence"] for each in diagnose(result)}
    assert found.get("connections_leaked") == confidence


def test_small_tables_need_no_index():
    """Sequential scans of a dozen rows are normal, however often they happen."""
    many = table("kinds", rows=12, seq_scans=90_000, rows_per_seq_scan=12)
    result = slowed(failed_run(resources__database__tables=[many]), 250, 400, 500)
    assert "missing_index" not in causes(result)


def test_a_query_in_a_loop():
    """A statement repeated per request is N+1, whatever CPU and connections it also takes."""
    loop = statement("SELECT * FROM owners WHERE id = $1", calls=18_000, calls_per_request=20.0)
    result = failed_run(
        metrics__server_timing=timing(pool=0.4, db=0.5, app=0.08, unattributed=0.02),
        resources__pool=FULL_POOL,
        resources__database__statements=[loop],
        resources__service__cpu_percent={"avg": 98.0},
    )
    found = first(slowed(result, 200, 300, 400))
    assert found["cause"] == "n_plus_one"
    assert "20 times per request" in found["evidence"][0]


def test_begin_and_commit_are_no_loop():
    """Statements that begin and end transactions are no N+1."""
    begin = statement("BEGIN", calls_per_request=9.0)
    result = slowed(failed_run(resources__database__statements=[begin]), 200, 300, 400)
    assert "n_plus_one" not in causes(result)


def test_a_slow_statement():
    """A statement that takes most of the database's time is named if no index is missing."""
    report = statement("SELECT sum(x) FROM items", mean_ms=220.0, total_ms=2e5, share=0.9)
    result = failed_run(metrics__server_timing=DATABASE, resources__database__statements=[report])
    assert causes(slowed(result, 240, 400, 500))[0] == "slow_statement"


def test_a_lock_wait_without_a_holder_is_no_contention():
    """One sample with a short lock wait is no lock contention."""
    result = failed_run(
        resources__database__waits=[{"event": "Lock:object", "share": 1.0, "peak": 1}]
    )
    assert "lock_contention" not in causes(slowed(result, 12, 400, 500))


def test_a_lock_that_is_held():
    """Lock waits make a statement slow and fill the pool: the lock ranks first."""
    update = statement("UPDATE items SET x = $1", mean_ms=900.0, total_ms=8e5, share=0.97)
    held = {"waiting": "UPDATE items SET x = $1", "blocking": "UPDATE items SET y = $1"}
    result = failed_run(
        metrics__server_timing=timing(pool=0.3, db=0.65, app=0.03, unattributed=0.02),
        resources__pool=FULL_POOL,
        resources__database__statements=[update],
        resources__database__waits=[{"event": "Lock:transactionid", "share": 0.8, "peak": 9}],
        resources__database__blocked={"peak": 9, "longest_s": 3.0, "examples": [held]},
        metrics__stalls=stalls(4, 2000, every_s=6.0),
    )
    found = first(slowed(result, 300, 3000, 3500))
    assert found["cause"] == "lock_contention"
    assert "holding the lock: UPDATE items SET y = $1" in found["evidence"][1]
