"""The order of causes: what broke first, what is worst, and what looks alike."""

from collections.abc import Mapping
from typing import Any

import pytest
from diagnosis_results import (
    causes,
    complaint,
    errors_of,
    failed_run,
    healthy,
    loop,
    noted,
    pool,
    slowed,
    timing,
)
from straingauge.diagnosis import CAUSES, Evidence, FoundCause, diagnose
from straingauge.diagnosis.onset import broke_s
from straingauge.diagnosis.ranking import EXPLAINS
from straingauge.diagnosis.result_view import ResultView
from straingauge.diagnosis.rivals import RIVALS, with_rivals

TITLES = {each.id: each.title for each in CAUSES.values()}


def found(cause: str, confidence: float) -> FoundCause:
    """A cause with some evidence."""
    return CAUSES[cause].found(Evidence(confidence, ("x",)))


def test_rivals_exist_and_do_not_explain_each_other():
    """A pair looks alike; if one of it explains the other, the order of causes says that."""
    for pair in RIVALS:
        assert set(pair.causes) <= CAUSES.keys()
        one, other = pair.causes
        assert other not in EXPLAINS.get(one, ())
        assert one not in EXPLAINS.get(other, ())


@pytest.mark.parametrize("pair", RIVALS, ids=lambda pair: "-".join(pair.causes))
def test_rivals_are_less_certain_and_say_what_tells_them_apart(pair: Any):  # noqa: ANN401
    """Both of a pair that fits are shown, with less confidence and what to do."""
    shown = with_rivals([found(pair.causes[0], 0.9), found(pair.causes[1], 0.8)], TITLES)
    assert [each.cause for each in shown] == list(pair.causes)
    assert [round(each.confidence, 3) for each in shown] == [0.765, 0.68]
    for each, rival in zip(shown, reversed(pair.causes), strict=True):
        assert TITLES[rival] in each.advice[0]
        assert each.advice[0].endswith(pair.difference)


def test_an_unlikely_cause_is_no_rival():
    """A cause that is not likely, or far less likely, does not lower the other."""
    for confidence in (0.45, 0.52):
        (first, _) = with_rivals(
            [found("load_shed", 0.9), found("database_away", confidence)], TITLES
        )
        assert first.confidence == 0.9


def errors_from(second: int) -> list[dict[str, Any]]:
    """Intervals in which each tenth request fails from a second on."""
    return [
        {"start_s": n, "duration_s": 1, "requests": 30, "errors": 3 if n >= second else 0}
        for n in range(30)
    ]


ERROR_RATE = complaint("error_rate_percent", threshold={"target": 0, "warning": 1, "critical": 5})


def test_what_began_after_the_errors_did_not_cause_them():
    """A process that exited long after the errors began is no likely cause of them."""
    for exit_s, expected in ((6, "service_restarted"), (20, "connection_resets")):
        result = failed_run(
            ERROR_RATE,
            **errors_of("reset", 75, "the connection broke"),
            resources__service__restarts={"started": 1, "exited": 1},
            resources__samples=[
                {"t_s": n / 2, "processes_exited": float(n / 2 > exit_s)} for n in range(60)
            ],
        )
        result["intervals"] = errors_from(5)
        assert broke_s(ResultView(result)) == 5
        assert causes(result)[0] == expected


def test_a_single_interval_is_no_onset():
    """One interval above the limit may be chance: the onset is the first of two in a row."""
    result = failed_run(ERROR_RATE)
    result["intervals"] = errors_from(12)
    result["intervals"][3]["errors"] = 3
    assert broke_s(ResultView(result)) == 12
    result["intervals"] = []
    assert broke_s(ResultView(result)) is None


@pytest.mark.parametrize(
    ("grade", "rate", "began_s"),
    [("acceptable", 0.0, 12.0), ("acceptable", 0.5, 0.0), ("warning", 1.0, 0.0)],
)
def test_a_target_is_met_by_a_value_that_equals_it(grade: str, rate: float, began_s: float):
    """A run without an error meets the target of none; a value at another limit misses it."""
    result = failed_run({**ERROR_RATE, "grade": grade})
    result["intervals"] = [
        {**row, "requests": 200, "errors": max(row["errors"], 2 * rate)} for row in errors_from(12)
    ]
    assert broke_s(ResultView(result)) == began_s


def jobs_waiting() -> Mapping[str, Any]:
    """A queue of which nothing is done."""
    return {"waiting": {"initial": 0, "peak": 40, "final": 40}, "done": 0}


def test_a_warning_does_not_stand_before_what_is_critical():
    """Jobs that wait are a warning; the cause of a critical threshold stands before them."""
    warned = complaint("jobs", cause="jobs_not_draining")
    result = failed_run(
        complaint(),
        {**warned, "grade": "warning"},
        resources__jobs=jobs_waiting(),
        metrics__server_timing=timing(pool=0.85, db=0.08, app=0.05, unattributed=0.02),
        resources__pool=pool(size=3, peak_in_use=3, peak_waiters=90, avg_wait_ms=300.0),
    )
    names = causes(slowed(result, 250, 400, 500))
    assert names[0] == "pool_exhausted"
    assert "jobs_not_draining" in names
    slow = failed_run(complaint(), {**warned, "grade": "warning"}, resources__jobs=jobs_waiting())
    assert causes(slowed(slow, 250, 400, 500))[:2] == ["slow_endpoint", "jobs_not_draining"]


def test_a_missed_target_has_no_certain_cause():
    """A run that is acceptable misses little: what explains it is at most as likely as not."""
    missed = {**complaint(), "grade": "acceptable"}
    result = healthy(
        verdict={"grade": "acceptable", "findings": [missed]},
        metrics__server_timing=timing(pool=0.85, db=0.08, app=0.05, unattributed=0.02),
        resources__pool=pool(size=3, peak_in_use=3, peak_waiters=90, avg_wait_ms=300.0),
    )
    (first, *_) = diagnose(slowed(result, 250, 400, 500))
    assert (first["cause"], first["confidence"]) == ("pool_exhausted", 0.5)


def test_a_late_generator_does_not_make_a_cause_certain():
    """A generator that was late in a run that is acceptable lends no certainty to a cause."""
    missed = {**complaint(), "grade": "acceptable"}
    result = healthy(
        **BUSY,
        verdict={"grade": "acceptable", "findings": [missed]},
        validity=noted("generator_late"),
    )
    found = diagnose(slowed(result, 250, 400, 500))
    assert "noisy_neighbour" in [each["cause"] for each in found]
    assert all(each["confidence"] <= 0.5 for each in found)


BUSY = {
    "resources__machine__cpu_percent": {"avg": 190.0, "peak": 200.0},
    "resources__machine__others_cpu_percent": {"avg": 120.0, "peak": 150.0},
    "resources__service__cpu_percent": {"avg": 55.0, "peak": 90.0},
}


def test_a_service_that_gets_no_cpu_is_not_blamed_for_its_queue():
    """If a thread waits for a CPU all the time, the queue of requests is that of other programs."""
    result = failed_run(
        complaint(),
        complaint("p50_ms"),
        **{**BUSY, "resources__service__cpu_percent": {"avg": 15.0, "peak": 30.0}},
        resources__service__cpu_wait_percent={"avg": 85.0, "peak": 99.0},
        resources__service__event_loop=loop(14, 450.0),
    )
    result["metrics"]["degradation"] |= {"low_percent_per_minute": 900.0}
    result["configuration"]["schedule"] = {"kind": "constant"}
    result = slowed(result, 2000, 3000, 4000)
    assert causes(result)[0] == "noisy_neighbour"
    result["resources"]["service"]["cpu_wait_percent"] = {"avg": 2.0, "peak": 9.0}
    assert "noisy_neighbour" not in causes(result)


def test_a_full_pool_of_a_service_that_gets_no_cpu():
    """Timeouts of a starved service's pool have two causes, with what tells them apart."""
    result = failed_run(
        **{**BUSY, "resources__service__cpu_percent": {"avg": 15.0, "peak": 30.0}},
        resources__service__cpu_wait_percent={"avg": 85.0, "peak": 99.0},
        resources__pool=pool(timeouts=7, peak_in_use=10, peak_waiters=60, avg_wait_ms=900.0),
    )
    found = {each["cause"]: each for each in diagnose(slowed(result, 2000, 3000, 4000))}
    for cause in ("noisy_neighbour", "pool_exhausted"):
        assert 0.5 <= found[cause]["confidence"] < 0.85
        assert "repeat on an idle machine" in found[cause]["advice"][0]


@pytest.mark.parametrize(
    ("waited", "expected"), [(40.0, "noisy_neighbour"), (3.0, "slow_endpoint")]
)
def test_the_kernel_counts_the_waits_for_a_cpu(waited: float, expected: str):
    """A full machine is the cause only if the service's threads waited for a CPU."""
    result = failed_run(**BUSY, resources__service__cpu_wait_percent={"avg": waited, "peak": 90.0})
    result = slowed(result, 120, 180, 200)
    assert causes(result)[0] == expected
    del result["resources"]["service"]["cpu_wait_percent"]
    assert causes(result)[0] == "noisy_neighbour"  # the kernel does not count them


@pytest.mark.parametrize(("waited", "expected"), [(82.0, "noisy_neighbour"), (3.0, "freeze")])
def test_a_service_that_waits_for_a_cpu_pauses_with_it(waited: float, expected: str):
    """Pauses of a service that waits for a CPU longer than it runs are those of other programs."""
    stalls = {"count": 3, "longest_ms": 1650, "total_s": 5.0, "period_s": 7.6, "peak_waiting": 10}
    result = failed_run(
        **BUSY | {"resources__service__cpu_percent": {"avg": 19.0, "peak": 25.0}},
        resources__service__cpu_wait_percent={"avg": waited, "peak": 90.0},
        metrics__stalls=stalls,
    )
    assert causes(slowed(result, 126, 1262, 2273))[0] == expected


@pytest.mark.parametrize(("mean_ms", "confidence"), [(60.0, 0.7), (3_000.0, 0.0)])
def test_other_programs_are_not_certain_by_waits_for_a_cpu_alone(mean_ms: float, confidence: float):
    """Waits for a CPU are the most that other programs explain, and less than half is not all."""
    result = failed_run(
        **BUSY | {"resources__service__cpu_percent": {"avg": 12.0, "peak": 25.0}},
        resources__service__cpu_wait_percent={"avg": 60.0, "peak": 90.0},
    )
    result = slowed(result, 270, 1000, 1500)
    result["metrics"]["latency_ms"]["avg"] = mean_ms
    found = {each["cause"]: each["confidence"] for each in diagnose(result)}
    assert found.get("noisy_neighbour", 0.0) == confidence
