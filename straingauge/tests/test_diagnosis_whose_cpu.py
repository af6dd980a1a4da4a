"""A lack of CPU is blamed on what took it: a container, the service itself, or other programs."""

from typing import Any

import pytest
from diagnosis_results import causes, complaint, failed_run, first, noted, samples, slowed, timing
from straingauge.diagnosis import diagnose


def busy(
    *, others: float = 120.0, own: float = 55.0, waited: float = 60.0, used: float = 195.0
) -> dict[str, Any]:
    """Changes of a run on two CPUs, in percent of one."""
    machine, service = "resources__machine", "resources__service"
    return {
        f"{machine}__cpu_percent": {"avg": used, "peak": 200.0},
        f"{machine}__others_cpu_percent": {"avg": others, "peak": 150.0},
        f"{service}__cpu_percent": {"avg": own, "peak": 99.0},
        f"{service}__cpu_wait_percent": {"avg": waited, "peak": 99.0},
    }


def confidence(result: dict[str, Any], cause: str) -> float:
    """Return the confidence of a cause; 0 where it is not listed."""
    found = {each["cause"]: each["confidence"] for each in diagnose(result)}
    return found.get(cause, 0.0)


def held(cpus: int, there_percent: float) -> dict[str, Any]:
    """Limits of a service whose processes may run on some of the CPUs."""
    limits = {"cpus": None, "throttled_percent": None, "throttled_s": None, "memory_mb": None}
    return {
        **limits,
        "oom_kills": 0,
        "allowed_cpus": cpus,
        "allowed_cpus_percent": there_percent,
    }


def four_processes(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  parts of a result
    """Return a run of four processes that compute all the time, on 100 % of a core."""
    result = failed_run(
        complaint(),
        resources__service__processes={"initial": 4, "peak": 4, "final": 4},
        resources__service__cpu_percent={"avg": 97.0, "peak": 99.0},
        resources__service__cpu_wait_percent={"avg": 280.0, "peak": 300.0},
        resources__machine__cpu_percent={"avg": 112.0, "peak": 130.0},
        **changes,
    )
    return slowed(result, 400, 480, 500)


def test_processes_that_are_held_to_one_of_two_cpus():
    """Four processes that fill the one CPU on which they may run wait for it, not for a lock."""
    result = four_processes()
    result["resources"]["service"]["limits"] = held(1, 99.0)
    found = first(result)
    assert found["cause"] == "cpu_throttled"
    assert found["evidence"][0].startswith("its processes may run on 1 of 2 CPUs")
    assert "cpuset" in found["advice"][0]
    assert confidence(result, "limited_concurrency") < 0.5
    assert confidence(result, "cpu_bound") > 0


def test_a_neighbour_on_the_same_cpu():
    """A program on the only CPU that the service may use is a neighbour on a half idle machine."""
    half = busy(others=48.0, own=47.0, used=110.0)
    result = slowed(failed_run(**half), 120, 180, 200)
    assert "noisy_neighbour" not in causes(result)
    result["resources"]["service"]["limits"] = held(1, 99.0)
    assert causes(result)[0] == "noisy_neighbour"
    result["resources"]["service"]["limits"] = held(1, 60.0)  # the others run elsewhere
    assert "noisy_neighbour" not in causes(result)
    result["resources"]["service"]["cpu_percent"]["avg"] = 70.0
    result["resources"]["service"]["limits"] = held(1, 95.0)  # they had 25 % there at most
    assert "noisy_neighbour" not in causes(result)


def test_waits_beside_idle_cpus():
    """A service that waits for a CPU although the machine is half idle is held by a limit."""
    result = four_processes()
    result["resources"]["machine"]["cpu_percent"] = {"avg": 60.0, "peak": 90.0}
    result["resources"]["service"]["cpu_percent"]["avg"] = 40.0
    found = first(result)
    assert (found["cause"], found["confidence"]) == ("cpu_throttled", 0.6)
    assert "110 % of a core or more was idle" in found["evidence"][0]
    result["resources"]["machine"]["cpu_percent"]["peak"] = 180.0
    assert "cpu_throttled" not in causes(result)
    result["resources"]["machine"]["cpu_percent"]["peak"] = 90.0
    result["configuration"]["schedule"] = {"kind": "waves", "every_s": 1.0, "concurrent": 20}
    assert "cpu_throttled" not in causes(result)  # all at once, and idle in between


@pytest.mark.parametrize(
    ("processes", "own", "waited", "least", "most"),
    [(1, 60.0, 40.0, 0.75, 0.95), (6, 95.0, 400.0, 0.5, 0.6)],
)
def test_too_many_processes_wait_for_each_other(
    processes: int, own: float, waited: float, least: float, most: float
):
    """Other programs answer for their share of the CPU, the service's own processes for theirs."""
    result = failed_run(
        **busy(others=97.0, own=own, waited=waited),
        resources__service__processes={"initial": processes, "peak": processes, "final": processes},
    )
    assert least <= confidence(slowed(result, 120, 180, 200), "noisy_neighbour") <= most


@pytest.mark.parametrize(
    ("p95_ms", "schedule", "expected"),
    [
        (900.0, {"kind": "constantusers", "think_s": 0.0}, "cpu_bound"),
        (450.0, {"kind": "constantusers", "think_s": 0.0}, "noisy_neighbour"),
        (900.0, {"kind": "constantusers", "think_s": 1.0}, "noisy_neighbour"),
        (900.0, {"kind": "poisson"}, "noisy_neighbour"),
    ],
)
def test_what_is_missed_without_others_as_well(
    p95_ms: float, schedule: dict[str, Any], expected: str
):
    """Others do not excuse a service that misses its thresholds without their share of the time."""
    limits = {"target": 100, "warning": 200, "critical": 400, "higher_is_better": False}
    missed = complaint(value=p95_ms, threshold=limits)
    result = failed_run(missed, **busy(others=98.0, own=66.0, waited=33.0))
    result["configuration"]["schedule"] = schedule
    result = slowed(result, 0.9 * p95_ms, p95_ms, 1.1 * p95_ms)
    found = first(result)
    assert found["cause"] == expected
    others = next(each for each in diagnose(result) if each["cause"] == "noisy_neighbour")
    explained = [each for each in others["evidence"] if "p95 would still be" in each]
    assert bool(explained) is (expected == "cpu_bound")


@pytest.mark.parametrize(("generator_percent", "is_blamed"), [(40.0, True), (97.0, False)])
def test_a_generator_that_fills_its_core(generator_percent: float, is_blamed: bool):  # noqa: FBT001
    """A generator that is late because it fills a core itself was not robbed of it."""
    result = failed_run(**busy(own=12.0, waited=1.0), validity=noted("generator_late", "invalid"))
    result = slowed(result, 30, 300, 350)
    generator = result["resources"]["generator"]
    generator["processes"]["a"]["cpu_percent"] = generator_percent
    assert (causes(result)[0] == "noisy_neighbour") is is_blamed
    if is_blamed:
        quota = {"cpus": 0.5, "throttled_percent": 80.0, "throttled_s": 12.0, "shared": False}
        generator["limits"] = quota
        assert causes(result)[0] == "generator_saturated"


def test_a_blocked_loop_of_any_language_is_not_blamed_on_neighbours():
    """An event loop whose thread sleeps in a blocking call does not wait for a CPU."""
    result = failed_run(**busy(own=8.0, waited=20.0), validity=noted("generator_late"))
    result = slowed(result, 400, 700, 800)
    service = result["resources"]["service"]
    service["event_loop"] = None
    service["runtime"]["language"] = "javascript"
    service["loop_thread"] = {"samples": 60, "blocked_share": 0.84}
    found = first(result)
    assert found["cause"] == "event_loop_blocked"
    assert "another, blocking call in 84 % of 60 samples" in found["evidence"][0].replace("%", " %")
    assert any("*Sync" in advice for advice in found["advice"])
    assert "noisy_neighbour" not in causes(result)
    service["runtime"] = {"language": "python", "server": "uvicorn"}
    assert first(result)["cause"] == "event_loop_blocked"
    service["runtime"] = {"language": "python", "server": "uwsgi"}  # one request at a time
    assert "event_loop_blocked" not in causes(result)
    service["runtime"]["server"] = "uvicorn"
    for few in ({"samples": 4, "blocked_share": 0.5}, {"samples": 60, "blocked_share": 0.1}):
        service["loop_thread"] = few
        assert "event_loop_blocked" not in causes(result)


@pytest.mark.parametrize(("others", "expected"), [(5.0, "helpers_take_cpu"), (160.0, None)])
def test_helpers_of_the_service_take_its_cpu(others: float, expected: str | None):
    """Job workers that fill the machine are named; not where other programs used more."""
    result = failed_run(
        **busy(others=others, own=40.0, waited=50.0),
        resources__samples=samples(service_family_cpu_s=[n * 1.9 / 2 for n in range(60)]),
    )
    result = slowed(result, 120, 180, 200)
    assert (causes(result)[0] if expected else None) == expected
    assert ("helpers_take_cpu" in causes(result)) is bool(expected)
    result["resources"]["service"]["cpu_wait_percent"]["avg"] = 20.0
    assert confidence(result, "helpers_take_cpu") < 0.5  # they took little from it


@pytest.mark.parametrize(("busiest", "most"), [(20.0, 0.95), (82.0, 0.45)])
def test_a_thread_that_is_ready_to_run_is_not_idle(busiest: float, most: float):
    """A queue for a thread that ran or waited for a CPU most of the time is not that of a lock."""
    computed = timing(pool=0.02, db=0.1, app=0.78, unattributed=0.1)
    use = busy(others=5.0, own=20.0, waited=62.0)
    result = slowed(failed_run(metrics__server_timing=computed, **use), 400, 480, 500)
    for each in result["endpoints"].values():
        each["service_time_ms"] = {"avg": 400.0, "min": 40.0, "p50": 400.0, "p95": 480.0}
    result["resources"]["service"]["busiest_thread_percent"] = {"avg": busiest, "peak": 100.0}
    found = confidence(result, "limited_concurrency")
    assert 0 < found <= most
    assert (found >= 0.5) is (most > 0.5)
