"""Connections of the service to others: one for each request, or calls one at a time."""

from typing import Any

import pytest
from diagnosis_results import REQUESTS, causes, failed_run, first, healthy, slowed
from straingauge.diagnosis import diagnose


@pytest.mark.parametrize(
    ("sessions", "p50", "is_named"),
    [(REQUESTS, 60, True), (20, 60, False), (REQUESTS // 10, 60, False), (REQUESTS, 9000, False)],
)
def test_a_connection_for_each_request(sessions: int, p50: float, is_named: bool):  # noqa: FBT001
    """As many new connections to PostgreSQL as requests explain times of some 10 ms."""
    result = slowed(failed_run(), p50, 2 * p50, 3 * p50)
    result["resources"]["database"]["sessions"] = sessions
    found = [each for each in diagnose(result) if each["cause"] == "connection_per_request"]
    assert bool(found) is is_named
    for each in found:
        assert each["confidence"] <= 0.75
        assert each["evidence"] == [
            f"{sessions:,} connections to PostgreSQL were opened during {REQUESTS:,} requests"
        ]


def one_at_a_time(**changes: float) -> dict[str, Any]:
    """A slow run with six requests in flight, whose calls to another service never overlap."""
    call = {"host": "192.0.2.7:443", "program": None, "samples": 30, "waiting_peak": 1}
    call |= {"waiting_avg": 0.7, "longest_ms": 50.0, **changes}
    result = slowed(failed_run(resources__service__calls=[call]), 200, 300, 350)
    for each in result["endpoints"].values():
        each["service_time_ms"] = {"avg": 200.0, "min": 55.0, "p50": 200.0, "p95": 300.0}
    return result


def test_calls_that_never_overlap():
    """Calls of which there is never more than one keep all requests in a queue."""
    found = first(one_at_a_time())
    assert (found["cause"], found["confidence"]) == ("slow_dependency", 0.75)
    assert found["evidence"][2].startswith("calls never overlapped")
    assert found["advice"][0].startswith("let calls overlap")


@pytest.mark.parametrize(
    "changes",
    [{"waiting_peak": 2}, {"samples": 5}, {"waiting_avg": 0.3}],
    ids=["overlapping", "few samples", "mostly idle"],
)
def test_calls_that_may_overlap(changes: dict[str, float]):
    """Calls that overlap, or that the service makes now and then, hold up no other request."""
    for each in diagnose(one_at_a_time(**changes)):
        assert not any("never overlapped" in sentence for sentence in each["evidence"])


def test_a_healthy_service_with_calls_one_at_a_time():
    """Calls one at a time are no cause of anything in a run that meets its thresholds."""
    result = one_at_a_time()
    result["verdict"] = healthy()["verdict"]
    assert causes(result) == []
