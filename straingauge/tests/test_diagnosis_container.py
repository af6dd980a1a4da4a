"""Limits of the service's container, and of the generator's, are named as what they are."""

from typing import Any

from diagnosis_results import (
    causes,
    complaint,
    errors_of,
    failed_run,
    first,
    healthy,
    noted,
    slowed,
    timing,
)
from straingauge.diagnosis import diagnose, warnings


def limits(**changes: object) -> dict[str, Any]:
    """Limits of a container of half a CPU and 256 MB that are not reached."""
    usual = {"cpus": 0.5, "throttled_percent": 3.0, "throttled_s": 0.2}
    return {**usual, "memory_mb": 256.0, "oom_kills": 0, **changes}


def queued(**service_limits: object) -> dict[str, Any]:
    """A run whose requests wait for each other while the CPU is idle, in a container."""
    computed = timing(pool=0.02, db=0.1, app=0.78, unattributed=0.1)
    result = slowed(failed_run(metrics__server_timing=computed), 400, 480, 500)
    for each in result["endpoints"].values():
        each["service_time_ms"] = {"avg": 400.0, "min": 40.0, "p50": 400.0, "p95": 480.0}
    result["resources"]["service"]["limits"] = limits(**service_limits)
    return result


def test_a_quota_of_cpu_time_that_is_used_up():
    """A service whose container has used up its CPU time in most periods waits for nothing else."""
    found = first(queued(throttled_percent=90.0, throttled_s=14.0))
    assert found["cause"] == "cpu_throttled"
    assert found["evidence"][0].startswith(
        "the control group (container) of the service is held to 0.5 CPUs: that quota was used up"
        " in 90 % of its periods, and processes waited 14 s"
    )


def test_a_quota_that_is_hardly_reached():
    """A quota that is used up now and then, or for moments, is not the cause."""
    for seldom in ({}, {"throttled_percent": 95.0, "throttled_s": 0.4}):
        assert causes(queued(**seldom))[0] == "limited_concurrency"
        assert "cpu_throttled" not in causes(queued(**seldom))


def test_limits_that_are_unknown():
    """Only where the container's limits are unknown, requests that wait may be due to them."""
    result = queued()
    assert not any("nr_throttled" in advice for advice in first(result)["advice"])
    del result["resources"]["service"]["limits"]
    assert any("nr_throttled" in advice for advice in first(result)["advice"])


def test_a_generator_in_a_container():
    """A late generator whose own quota is used up needs more CPU time, not more processes."""
    result = slowed(failed_run(validity=noted("generator_late", "invalid")), 30, 300, 350)
    assert first(result)["confidence"] < 0.9
    result["resources"]["generator"]["limits"] = {
        "cpus": 1.0,
        "throttled_percent": 80.0,
        "throttled_s": 12.0,
        "shared": False,
    }
    found = first(result)
    assert (found["cause"], found["confidence"]) == ("generator_saturated", 0.95)
    assert "of the generator is held to 1 CPUs" in found["evidence"][1]
    assert found["advice"][0].startswith("raise the limit of CPUs")


def test_a_quota_that_generator_and_service_share():
    """One quota for both is said, since the generator takes a part of it."""
    result = queued(throttled_percent=90.0, throttled_s=14.0)
    result["resources"]["generator"]["limits"] = {
        "cpus": 0.5,
        "throttled_percent": 90.0,
        "throttled_s": 14.0,
        "shared": True,
    }
    assert "the load generator has the same quota" in first(result)["evidence"][2]


def test_processes_that_the_kernel_ended():
    """A worker that was ended for lack of memory comes before the broken requests."""
    broken = errors_of("reset", 40, "connection reset by peer")
    result = failed_run(complaint("error_rate_percent"), **broken)
    service = result["resources"]["service"]
    service["restarts"] = {"started": 2, "exited": 2}
    assert causes(result)[0] == "service_restarted"
    service["limits"] = limits(oom_kills=2)
    found = diagnose(result)
    assert found[0]["cause"] == "out_of_memory"
    assert found[0]["evidence"][0] == (
        "the kernel ended 2 processes of the service's control group, whose limit is 256 MB"
    )


def test_processes_of_the_machine_that_the_kernel_ended():
    """Processes ended elsewhere on the machine count only together with an exit of the service."""
    broken = errors_of("reset", 40, "connection reset by peer")
    result = failed_run(complaint("error_rate_percent"), **broken)
    result["resources"]["machine"]["oom_kills"] = 1
    assert "out_of_memory" not in causes(result)
    result["resources"]["service"]["restarts"] = {"started": 1, "exited": 1}
    assert causes(result)[0] == "out_of_memory"
    assert first(result)["confidence"] == 0.7


def test_an_ended_process_is_a_warning():
    """A process that the kernel ended is a warning even if all thresholds pass."""
    result = healthy()
    assert warnings(result) == []
    result["resources"]["service"]["limits"] = limits(oom_kills=1)
    assert [each.cause for each in warnings(result)] == ["out_of_memory"]
