"""Name look-ups, calls in a loop and repeated failed calls are named as what they are."""

from collections.abc import Mapping
from typing import Any

import pytest
from diagnosis_results import ENDPOINTS, REQUESTS, causes, failed_run, first, slowed

PAYMENTS = "192.0.2.7:443"


def waiting_for(host: str, waiting: float, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a slow run whose service waits for a host, in all of 60 samples."""
    row = {"host": host, "program": None, "samples": 60, "waiting_avg": waiting}
    result = slowed(failed_run(), 300, 380, 400)
    for each in result["endpoints"].values():
        each["service_time_ms"] = {"avg": 300.0, "min": 250.0, "p50": 300.0, "p95": 380.0}
    result["resources"]["service"]["calls"] = [
        {**row, "waiting_peak": 12, "longest_ms": 290.0, **more}
    ]
    return result


def traced(host: str, **changes: float) -> dict[str, Any]:
    """Return a slow run whose traces have calls to a host."""
    row: Mapping[str, Any] = {
        "endpoint": ENDPOINTS[0],
        "host": host,
        "per_request": 20.0,
        "traces": 8,
        "calls": 160,
        "errors": 0,
        "avg_ms": 12.0,
        "max_ms": 30.0,
        "share": 0.8,
    }
    result = slowed(failed_run(), 300, 380, 400)
    result["traces"] = {"endpoints": {}, "statements": [], "calls": [{**row, **changes}]}
    return result


def test_slow_name_look_ups():
    """A service that waits for a name server does not wait for the service that it calls."""
    found = first(waiting_for("127.0.0.53:53", 8.0))
    assert (found["cause"], found["confidence"]) == ("slow_dns", 0.75)
    assert "look-ups of host names to 127.0.0.53:53" in found["evidence"][0]
    assert found["where"] == [{"kind": "call", "host": "127.0.0.53:53", "endpoint": None}]
    assert causes(waiting_for("127.0.0.53:8053", 8.0))[0] == "slow_dependency"
    assert "slow_dns" not in causes(waiting_for("127.0.0.53:53", 0.5))  # of 9 in flight


def test_calls_in_a_loop_seen_from_outside():
    """Many short exchanges for each request, which take its time, are an N+1 of calls."""
    loop = {"exchanges": 20 * REQUESTS, "sent_bytes": 20 * REQUESTS * 180}
    found = first(waiting_for(PAYMENTS, 8.0, **loop))
    assert found["cause"] == "repeated_calls"
    assert f"{20 * REQUESTS:,} exchanges with {PAYMENTS}" in found["evidence"][0]
    assert found["where"][0]["host"] == PAYMENTS
    for other in (
        {"exchanges": REQUESTS, "sent_bytes": 180 * REQUESTS},  # one for each request
        {"exchanges": 20 * REQUESTS, "sent_bytes": 20 * REQUESTS * 30_000},  # long bodies
        {},  # of a result without them
    ):
        assert causes(waiting_for(PAYMENTS, 8.0, **other))[0] == "slow_dependency"
    quick = waiting_for(PAYMENTS, 0.5, **loop)
    assert "repeated_calls" not in causes(quick)


def test_the_endpoint_that_calls_a_host():
    """Exchanges that are a multiple of one endpoint's requests name it, however rare it is."""
    result = waiting_for(PAYMENTS, 8.0, exchanges=20 * 31, sent_bytes=20 * 31 * 180)
    result["endpoints"][ENDPOINTS[2]]["total_requests"] = 31
    found = first(result)
    assert found["cause"] == "repeated_calls"
    assert f"for 31 requests of {ENDPOINTS[2]}, about 20 for each" in found["evidence"][0]
    assert found["where"][0]["endpoint"] == ENDPOINTS[2]
    once = waiting_for(PAYMENTS, 8.0, exchanges=31, sent_bytes=31 * 180)
    once["endpoints"][ENDPOINTS[2]]["total_requests"] = 31
    assert first(once)["where"] == [{"kind": "call", "host": PAYMENTS, "endpoint": ENDPOINTS[2]}]


def test_calls_in_a_loop_in_traces():
    """Traces name the endpoint that calls a host again and again."""
    found = first(traced("payments:443"))
    assert found["cause"] == "repeated_calls"
    assert "calls payments:443 20.0 times for each request" in found["evidence"][0]
    assert found["where"][0]["endpoint"] == ENDPOINTS[0]
    once = traced("payments:443", per_request=1.0, calls=8, avg_ms=240.0, max_ms=260.0)
    assert causes(once)[0] == "slow_dependency"


@pytest.mark.parametrize(("errors", "expected"), [(150, "retry_storm"), (8, "repeated_calls")])
def test_failed_calls_that_are_repeated(errors: int, expected: str):
    """Calls that mostly fail are repetitions, not a loop over objects."""
    found = first(traced("payments:443", errors=errors))
    assert found["cause"] == expected
    assert any("of these calls failed" in each for each in found["evidence"]) is (
        expected == "retry_storm"
    )


def test_a_call_that_fails_once_is_no_retry_storm():
    """A failed call that is sent once for each request is not repeated."""
    result = traced("payments:443", per_request=1.0, calls=8, errors=8, avg_ms=240.0, max_ms=260.0)
    assert "retry_storm" not in causes(result)
