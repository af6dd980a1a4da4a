"""Other programs on the machine delay a service that needs much CPU, and no other."""

import pytest
from diagnosis_results import (
    ENDPOINTS,
    causes,
    complaint,
    failed_run,
    latency,
    loop,
    noted,
    slowed,
    timing,
)
from straingauge.diagnosis import diagnose


@pytest.mark.parametrize("reason", ["generator_late", "generator_saturated"])
def test_a_noisy_neighbour(reason: str):
    """Other programs that fill the machine rank first, before the service."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 98.0}}
    crowded["neighbours"] = [{"name": "compiler", "cpu_percent": 98}]
    result = slowed(
        failed_run(resources__machine=crowded, validity=noted(reason, "invalid")), 30, 300, 350
    )
    found = diagnose(result)
    assert found[0]["cause"] == "noisy_neighbour"
    assert "compiler (98 %)" in found[0]["evidence"][1]
    assert found[1]["confidence"] < found[0]["confidence"]


def test_a_neighbour_does_not_excuse_a_blocked_loop():
    """An event loop blocked for long is the service's own fault, however busy the machine is."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 98.0}}
    result = failed_run(resources__machine=crowded, resources__service__event_loop=loop(12, 300.0))
    assert causes(slowed(result, 12, 290, 310))[0] == "event_loop_blocked"
    assert "noisy_neighbour" not in causes(result)


def test_a_neighbour_does_not_delay_a_service_that_needs_little_cpu():
    """A full machine does not explain a tail of a second in a service that needs little CPU."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 140.0}}
    trend = {"percent_per_minute": 30.0, "low_percent_per_minute": 15.0}
    result = slowed(failed_run(resources__machine=crowded, metrics__degradation=trend), 10, 30, 820)
    assert causes(result)[0] == "slow_tail"
    assert "slowing_down" not in causes(result)


def test_cpu_that_the_service_burns_itself():
    """A service that gets a full core, or more than others, is not delayed by them."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 60.0}}
    for percent in (97.0, 80.0):
        result = failed_run(
            resources__machine=crowded,
            resources__service__cpu_percent={"avg": percent},
            metrics__server_timing=timing(pool=0.02, db=0.03, app=0.9, unattributed=0.05),
        )
        result["metrics"]["server_timing"]["parts"]["app"]["p50_ms"] = 33.0
        assert causes(slowed(result, 200, 300, 350))[0] == "cpu_bound"


def test_an_endpoint_that_waits_while_others_are_fast():
    """A full core does not explain an endpoint that waits while the others stay fast."""
    result = failed_run(
        complaint(where=ENDPOINTS[2]), resources__service__cpu_percent={"avg": 99.0}
    )
    result["endpoints"][ENDPOINTS[2]] |= {
        "latency_ms": latency(12_000, 12_500, 13_000),
        "total_requests": 20,
    }
    found = diagnose(result)
    assert found[0]["cause"] == "slow_endpoint"
    (cpu,) = (each for each in found if each["cause"] == "cpu_bound")
    assert cpu["evidence"][-1].endswith("a queue for the CPU would delay both")
    result["endpoints"][ENDPOINTS[2]]["total_requests"] = 2  # 24 s of computing, one by one
    assert causes(result)[0] == "cpu_bound"


def test_a_neighbour_does_not_delay_a_remote_service():
    """Other programs on this machine are blamed only if the service runs here as well."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 98.0}}
    busy = {"avg": 60.0, "peak": 80.0}
    for source, named in (("process", True), ("metrics", False)):
        service = {"source": source, "cpu_percent": busy}
        result = failed_run(resources__machine=crowded, resources__service=service)
        assert ("noisy_neighbour" in causes(slowed(result, 30, 300, 350))) is named


@pytest.mark.parametrize(("late_ms", "is_blamed"), [(30.0, False), (200.0, True)])
def test_a_generator_that_was_a_little_late(late_ms: float, is_blamed: bool):  # noqa: FBT001
    """Other programs explain slow requests as far as they made the generator late, not further."""
    crowded = {"cores": 2, "cpu_percent": {"avg": 195.0}, "others_cpu_percent": {"avg": 180.0}}
    result = slowed(
        failed_run(resources__machine=crowded, validity=noted("generator_late")), 15, 300, 350
    )
    result["resources"]["generator"]["processes"]["a"] |= {
        "start_delay_p99_ms": 1.0,
        "loop_lag_p99_ms": late_ms,
    }
    assert (causes(result)[0] == "noisy_neighbour") is is_blamed
