"""Causes in the database name statement, endpoint and table as far as their counts tell."""

from typing import Any

import pytest
from diagnosis_results import failed_run, first, latency, pool, slowed, statement, table, timing
from straingauge.diagnosis.call_counts import sharing_endpoints
from straingauge.diagnosis.result_view import ResultView
from straingauge.diagnosis.statement_endpoint import endpoint_of
from straingauge.diagnosis.statement_loops import find_loop

LOOKUP = "SELECT * FROM items WHERE owner = $1"
FULL_POOL = pool(size=3, peak_in_use=3, peak_waiters=90, avg_wait_ms=300.0)
WAITING = timing(pool=0.4, db=0.5, app=0.08, unattributed=0.02)


def mix(**requests: int) -> dict[str, Any]:
    """Return endpoints with numbers of requests."""
    times = latency(250, 400, 500)
    return {
        f"GET /{name}": {"total_requests": count, "latency_ms": times}
        for name, count in requests.items()
    }


@pytest.mark.parametrize(
    ("requests", "calls", "endpoint"),
    [
        ({"a": 300, "b": 500}, 300, "GET /a"),
        ({"a": 300, "b": 500}, 304, "GET /a"),
        ({"a": 300, "b": 300}, 300, None),
        ({"a": 300, "b": 500}, 800, None),
        ({"a": 300, "b": 200, "c": 100}, 300, None),
        ({"a": 300, "b": 500}, 400, None),
        ({"a": 9, "b": 500}, 9, None),
        ({"a": 88, "b": 300, "c": 412}, 880, "GET /a"),
        ({"a": 88, "b": 300, "c": 412}, 881, None),
        ({"a": 88, "b": 300, "c": 580}, 880, None),  # once in each request of b and c
        ({"a": 88, "b": 132}, 880, None),  # 4 times in each request of both
        ({"a": 88, "b": 40}, 880, None),
        ({"a": 9, "b": 500}, 90, None),
        ({"a": 259, "b": 129, "c": 129}, 259, "GET /a"),  # b and c are near it, a is equal
        ({"a": 258, "b": 129, "c": 129}, 258, None),
    ],
)
def test_equal_counts_name_the_endpoint(requests: dict[str, int], calls: int, endpoint: str | None):
    """An endpoint is named only if no other, and no sum of others, accounts for the calls."""
    result = ResultView({"endpoints": mix(**requests)})
    assert endpoint_of(result, statement(LOOKUP, calls=calls)) == endpoint


@pytest.mark.parametrize(
    ("mean_ms", "endpoint"),
    [
        ({"a": 5, "b": 700, "c": 5, "d": 5}, "GET /b"),
        ({"a": 700, "b": 700, "c": 5, "d": 5}, None),
        ({"a": 5, "b": 5, "c": 5, "d": 5}, None),  # after the response, in the background
        ({"a": 5, "b": 700, "c": 900, "d": 900}, None),  # c and d together
        ({"a": 5, "b": 550, "c": 5, "d": 5}, "GET /b"),  # the last ones have no response yet
        ({"a": 5, "b": None, "c": 5, "d": 5}, "GET /b"),
    ],
)
def test_requests_that_took_less_time_than_a_statement_did_not_run_it(
    mean_ms: dict[str, float | None], endpoint: str | None
):
    """Of endpoints with as many requests, only those that took as long can have waited for it."""
    endpoints = mix(a=33, b=33, c=22, d=11)
    for name, time_ms in mean_ms.items():
        endpoints[f"GET /{name}"]["service_time_ms"] = {"avg": time_ms}
    result = ResultView({"endpoints": endpoints})
    assert endpoint_of(result, statement(LOOKUP, calls=33, total_ms=33 * 600.0)) == endpoint
    assert endpoint_of(result, statement(LOOKUP, calls=33, total_ms=33 * 1.0)) is None


def test_a_missing_index_names_table_statement_and_endpoint():
    """Without a plan, the place of a missing index is the statement that reads the table."""
    result = failed_run(
        endpoints=mix(owners=880, others=20),
        metrics__server_timing=WAITING,
        resources__pool=FULL_POOL,
        resources__database__tables=[table(seq_scans=880, rows_per_seq_scan=50_000)],
        resources__database__statements=[
            statement(LOOKUP, calls=880, mean_ms=80.0, total_ms=72e3, share=0.95)
        ],
    )
    found = first(slowed(result, 250, 400, 500))
    assert found["cause"] == "missing_index"
    (where,) = found["where"]
    assert where["statement"] == LOOKUP
    assert where["endpoint"] == "GET /owners"
    assert where["table"] == "items"


def test_a_query_in_a_loop_names_its_statement():
    """N+1 names the repeated statement, and no endpoint if the counts do not tell."""
    loop = statement("SELECT * FROM owners WHERE id = $1", calls=18_000, calls_per_request=20.0)
    result = failed_run(
        metrics__server_timing=WAITING,
        resources__pool=FULL_POOL,
        resources__database__statements=[loop],
        resources__service__cpu_percent={"avg": 98.0},
    )
    found = first(slowed(result, 200, 300, 400))
    assert found["cause"] == "n_plus_one"
    assert found["where"][0]["statement"] == loop["query"]
    assert found["where"][0]["endpoint"] is None


def test_a_query_in_a_loop_names_the_endpoint_whose_requests_divide_its_calls():
    """880 calls are 10 for each of 88 requests of one endpoint."""
    loop = statement("SELECT * FROM owners WHERE id = $1", calls=880, calls_per_request=3.0)
    result = failed_run(
        endpoints=mix(users=88, others=205),
        metrics__total_requests=293,
        resources__database__statements=[loop],
    )
    found = find_loop(ResultView(result), [loop])
    assert found is not None
    assert (found.endpoints, found.repeats, found.requests) == (("GET /users",), 10, 88)


@pytest.mark.parametrize(
    ("statements", "endpoints"),
    [
        ([("BEGIN READ ONLY", 512)], ("GET /a", "GET /b", "GET /c")),
        ([("BEGIN READ ONLY", 512), ("SELECT 1", 1024)], ("GET /a", "GET /b", "GET /c")),
        ([("SELECT 1", 513)], ()),
        ([("SELECT 1", 568)], ()),  # every request
        ([], ()),
    ],
)
def test_a_query_in_a_loop_of_several_endpoints(
    statements: list[tuple[str, int]], endpoints: tuple[str, ...]
):
    """Endpoints share a loop if another statement runs once in each of their requests."""
    loop = statement("SELECT data FROM items WHERE id = $1", calls=20_480, calls_per_request=36.1)
    result = failed_run(
        endpoints=mix(a=171, b=229, c=112, d=56),
        metrics__total_requests=568,
        resources__database__statements=[
            loop,
            *(statement(text, calls=calls, calls_per_request=0.9) for text, calls in statements),
        ],
    )
    found = first(slowed(result, 200, 300, 400))
    assert found["cause"] == "n_plus_one"
    assert tuple(each["endpoint"] for each in found["where"]) == (endpoints or (None,))
    assert {each["statement"] for each in found["where"]} == {loop["query"]}
    if endpoints:
        assert found["evidence"][0].startswith(
            "40 times per request of GET /a and of GET /b and of GET /c (20,480 calls for 512)"
        )


def test_endpoints_with_two_sums_are_not_certain():
    """Two groups of endpoints with as many requests leave the endpoints of a loop open."""
    result = ResultView({"endpoints": mix(a=100, b=200, c=150, d=150)})
    assert sharing_endpoints(result, 300) == ()
    assert sharing_endpoints(result, 450) == ()
    assert sharing_endpoints(result, 100) == ("GET /a",)


def test_leaked_connections_name_their_last_statement():
    """A connection that is never returned has the last statement of its open transaction."""
    lookup = statement("SELECT * FROM items\n WHERE owner = $1", calls=880)
    result = failed_run(
        endpoints=mix(owners=880, others=20),
        resources__pool=pool(timeouts=40, peak_in_use=10, peak_waiters=20, avg_wait_ms=9000),
        resources__cooldown__pool_in_use=10,
        resources__database__statements=[lookup],
    )
    result["resources"]["database"]["idle_in_transaction"] = [
        {"statement": LOOKUP, "connections": 10, "longest_s": 20.0},
        {"statement": "SELECT 1", "connections": 1, "longest_s": 1.5},
    ]
    found = first(slowed(result, 250, 400, 500))
    assert found["cause"] == "connections_leaked"
    (where,) = found["where"]
    assert " ".join(where["statement"].split()) == LOOKUP
    assert where["endpoint"] == "GET /owners"


@pytest.mark.parametrize(("blocking", "locks"), [("LOCK a", ["holds", "waits"]), ("", ["waits"])])
def test_a_lock_names_its_holder_and_who_waits(blocking: str, locks: list[str]):
    """The statement that holds the lock comes first, if it is known."""
    update = statement("UPDATE items SET x = $1", mean_ms=900.0, total_ms=8e5, share=0.97)
    held = {"waiting": update["query"], "blocking": blocking}
    result = failed_run(
        metrics__server_timing=timing(pool=0.3, db=0.65, app=0.03, unattributed=0.02),
        resources__pool=FULL_POOL,
        resources__database__statements=[update],
        resources__database__waits=[{"event": "Lock:transactionid", "share": 0.8, "peak": 9}],
        resources__database__blocked={"peak": 9, "longest_s": 3.0, "examples": [held]},
    )
    found = first(slowed(result, 250, 900, 2000))
    assert found["cause"] == "lock_contention"
    assert [each["lock"] for each in found["where"]] == locks


@pytest.mark.parametrize(("idle_share", "said"), [(0.8, True), (0.4, False), (None, False)])
def test_a_holder_of_a_lock_that_runs_no_statement(idle_share: float | None, *, said: bool):
    """A transaction that stays open while its client does something else is no slow statement."""
    held: dict[str, Any] = {"waiting": "UPDATE items SET x = $1", "blocking": "LOCK items"}
    if idle_share is not None:
        held |= {"idle_share": idle_share}
    result = failed_run(
        metrics__server_timing=timing(pool=0.3, db=0.65, app=0.03, unattributed=0.02),
        resources__database__waits=[{"event": "Lock:transactionid", "share": 0.8, "peak": 9}],
        resources__database__blocked={"peak": 9, "longest_s": 3.0, "examples": [held]},
    )
    found = first(slowed(result, 250, 900, 2000))
    assert found["cause"] == "lock_contention"
    assert ("mostly runs no statement" in str(found["evidence"])) is said
