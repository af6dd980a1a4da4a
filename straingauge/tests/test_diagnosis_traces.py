"""Traces as evidence: repeated and slow statements, calls to other services, slow endpoints."""

from typing import Any

import pytest
from diagnosis_results import ENDPOINTS, causes, failed_run, first, healthy, slowed, statement
from straingauge.diagnosis.traced import statement_key

ONE, BY_ID, ADD = ENDPOINTS
LOOKUP = "SELECT name FROM kinds WHERE id = $1"
PARTS = ("queue", "own", "database", "http", "cache", "other", "unaccounted")


def traces(
    *,
    statements: list[dict[str, Any]] | None = None,
    calls: list[dict[str, Any]] | None = None,
    **parts_ms: float,
) -> dict[str, Any]:
    """Return what traces say of one endpoint, whose time has these parts."""
    times = {f"{name}_ms": parts_ms.get(name, 0.0) for name in PARTS}
    endpoint = {
        "traces": 30,
        "duration_ms": sum(times.values()),
        "parts_ms": times,
        "statements_per_request": 2.0,
    }
    return {"endpoints": {ONE: endpoint}, "statements": statements or [], "calls": calls or []}


def traced_statement(text: str = LOOKUP, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a statement that takes half of the time of an endpoint, once per request."""
    usual = {"endpoint": ONE, "statement": text, "parent": "list_items", "per_request": 1.0}
    times = {"most_per_request": 1, "traces": 30, "avg_ms": 2.0, "max_ms": 3.0, "share": 0.5}
    return {**usual, **times, "is_lock": False, **changes}


def traced_call(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a call that takes most of the time of an endpoint."""
    usual = {"endpoint": ONE, "host": "prices:8080", "per_request": 1.0, "traces": 30, "calls": 30}
    return {**usual, "errors": 0, "avg_ms": 180.0, "max_ms": 260.0, "share": 0.9, **changes}


def slow_run(found: dict[str, Any], *statements: dict[str, Any]) -> dict[str, Any]:
    """Return a run that is slow, without Server-Timing, with traces and statements."""
    result = failed_run(resources__database__statements=list(statements))
    result["metrics"]["server_timing"] = result["resources"]["pool"] = None
    for each in result["endpoints"].values():
        each["server_timing"] = None
    return {**slowed(result, 200, 300, 320), "traces": found}


def test_a_repeated_statement_is_found_by_traces_alone():
    """Without statistics of the database, traces name statement, endpoint and span."""
    repeated = traced_statement(per_request=50.0, most_per_request=50, share=0.8)
    found = first(slow_run(traces(statements=[repeated], database=160, own=40)))
    assert found["cause"] == "n_plus_one"
    assert found["where"][0]["endpoint"] == ONE
    assert found["where"][0]["statement"] == LOOKUP
    assert "50 times per traced request of GET /items, within list_items" in found["evidence"][0]


def test_traces_name_the_endpoint_of_a_loop():
    """Counts show that a statement repeats, traces where; differences of notation do not matter."""
    inner = statement(LOOKUP, calls=9_000, calls_per_request=10.0, total_ms=90e3, mean_ms=10.0)
    repeated = traced_statement(
        "SELECT name  FROM kinds WHERE id = $1::UUID;", per_request=30.0, most_per_request=30
    )
    found = first(slow_run(traces(statements=[repeated], database=160, own=40), inner))
    assert found["cause"] == "n_plus_one"
    assert (found["where"][0]["endpoint"], found["where"][0]["statement"]) == (ONE, LOOKUP)
    assert len(found["evidence"]) == 2


def test_traces_refute_a_loop():
    """A statement that every traced request runs once is no loop, whatever the counts."""
    inner = statement(LOOKUP, calls=9_000, calls_per_request=10.0, total_ms=90e3, mean_ms=10.0)
    found = slow_run(traces(statements=[traced_statement()], database=160, own=40), inner)
    assert causes(found)[0] != "n_plus_one"


def test_transactions_are_no_loop():
    """BEGIN and COMMIT repeat in any request with several transactions."""
    begin = traced_statement("BEGIN;", per_request=6.0, most_per_request=6)
    assert "n_plus_one" not in causes(slow_run(traces(statements=[begin], own=200)))


def test_a_slow_statement_is_found_by_traces_alone():
    """Without statistics of the database, traces name the slow statement and its endpoint."""
    slow = traced_statement(avg_ms=150.0, max_ms=200.0, share=0.75)
    found = first(slow_run(traces(statements=[slow], database=150, own=50)))
    assert found["cause"] == "slow_statement"
    assert found["where"][0]["endpoint"] == ONE


def test_a_slow_call_names_host_and_endpoint():
    """Calls that take most of the time are the cause, with host and endpoint."""
    found = first(slow_run(traces(calls=[traced_call(errors=2)], http=180, own=20)))
    assert found["cause"] == "slow_dependency"
    assert found["where"] == [{"kind": "call", "host": "prices:8080", "endpoint": ONE}]
    assert "GET /items waits for prices:8080 in 90% of its traced time" in found["evidence"][0]
    assert found["evidence"][1] == "2 of these calls failed"


def test_a_call_that_is_slow_now_and_then_explains_the_tail():
    """A few calls as long as the slowest requests are the cause, though the mean is short."""
    tail = traced_call(avg_ms=40.0, max_ms=310.0, share=0.7)
    result = slow_run(traces(calls=[tail], http=40, own=17))
    assert causes(slowed(result, 30, 60, 320))[0] == "slow_dependency"


@pytest.mark.parametrize("change", [{"share": 0.05}, {"avg_ms": 1.0, "max_ms": 4.0}, {"traces": 1}])
def test_a_quick_call_is_not_blamed(change: dict[str, float]):
    """A call that takes little of the time, with or without load, explains nothing."""
    found = causes(slow_run(traces(calls=[traced_call(**change)], own=10)))
    assert "slow_dependency" not in found


def test_a_slow_endpoint_says_where_its_time_goes():
    """Own code or waits without a span are named as such, and no place is invented."""
    found = first(slow_run(traces(own=190, database=10)))
    assert found["cause"] == "slow_endpoint"
    assert found["evidence"][1] == (
        "95% of the time of 30 traced requests is its own code, or waits that have no span"
    )
    assert found["where"] == []


def test_traces_without_load_explain_no_slowness_under_load():
    """If the second instance is fast, its traces name no place."""
    statements = [traced_statement()]
    found = first(slow_run(traces(statements=statements, database=4, own=1)))
    assert found["cause"] == "slow_endpoint"
    assert found["evidence"][1] == "5 ms on average without load: the load makes it slow"
    assert found["where"] == []


def test_a_healthy_service_with_traces_stays_silent():
    """Traces alone are no cause."""
    repeated = traced_statement(per_request=50.0, most_per_request=50, share=0.8)
    found = traces(statements=[repeated], calls=[traced_call()], http=180, own=20)
    assert causes({**healthy(), "traces": found}) == []


def test_statements_are_compared_without_their_notation():
    """Spans and `pg_stat_statements` write placeholders, lists and spaces differently."""
    texts = (
        "SELECT a FROM t WHERE b IN ($1, $2) AND c = $3",
        "select a from t\n where b in (%s, %s, %s) and c = $4::VARCHAR;",
        "SELECT a FROM t WHERE b IN (?, ?) AND c = :name",
        "SELECT a FROM t WHERE b IN (1, 2) AND c = 'x'",
    )
    assert len({statement_key(text) for text in texts}) == 1
    assert statement_key("SELECT a::text FROM t") == "select a::text from t"
