from typing import Any

import numpy as np
from diagnosis_results import (
    ENDPOINTS,
    complaint,
    failed_run,
    healthy,
    pool,
    slow,
    slowed,
    statement,
    table,
    timing,
)
from straingauge.diagnosis import diagnose, diagnose_session, first_failure
from straingauge.histogram import Histogram
from straingauge.recording.hdr import encode
from straingauge.report import diagnosis, verdict_table
from straingauge.report.explanation import explanation
from straingauge.report.text import shown_causes

LIMITS = {"warning": 200.0, "critical": 400.0}


def diagnosed(name: str, result: dict[str, Any], at: str = "12:05:30") -> dict[str, Any]:
    """A run as stored in its file."""
    named = {**result, "name": name, "started_at": f"2024-12-17T{at}+00:00"}
    return {**named, "diagnosis": diagnose(named)}


def pool_too_small(name: str, at: str = "12:05:30") -> dict[str, Any]:
    """A run whose requests waited for connections."""
    result = failed_run(
        complaint(where=ENDPOINTS[0], threshold=LIMITS),
        metrics__server_timing=timing(pool=0.6, db=0.3, app=0.05, unattributed=0.05),
        resources__pool=pool(size=3, peak_in_use=3, peak_waiters=40, avg_wait_ms=150.0),
    )
    result["metrics"]["slowest"] = [slow(ENDPOINTS[0], 450, at_s=s) for s in (21.0, 7.0, 9.0)]
    return diagnosed(name, slowed(result, 250, 400, 450), at)


def index_missing(name: str) -> dict[str, Any]:
    """A run with sequential scans of a big table."""
    scanned = table(seq_scans=900, rows_per_seq_scan=50_000, seq_rows_read=45_000_000)
    lookup = statement("SELECT * FROM items WHERE owner = $1", mean_ms=150.0, total_ms=135e3)
    result = failed_run(
        resources__database__tables=[scanned], resources__database__statements=[lookup]
    )
    return diagnosed(name, slowed(result, 250, 400, 450))


def test_several_tests_raise_the_confidence():
    """The same cause in two tests has more confidence than in one, and both tests are named."""
    (alone, *_) = diagnose_session([pool_too_small("one")])
    (twice, *_) = diagnose_session([pool_too_small("one"), pool_too_small("other")])
    assert alone["cause"] == twice["cause"] == "pool_exhausted"
    assert alone["tests"] == ["one"]
    assert twice["tests"] == ["one", "other"]
    assert alone["confidence"] < twice["confidence"] < 1


def test_a_cause_explains_symptoms_in_other_tests():
    """A cause found in one test explains its symptoms in another."""
    session = [pool_too_small("one"), pool_too_small("other"), index_missing("third")]
    assert diagnose_session(session)[0]["cause"] == "missing_index"


def test_what_passes_explains_nothing_in_other_tests():
    """Other programs on the machine during one test are no explanation of another."""
    busy = failed_run(
        resources__machine__cpu_percent={"avg": 190.0, "peak": 200.0},
        resources__machine__others_cpu_percent={"avg": 120.0, "peak": 150.0},
        resources__service__cpu_percent={"avg": 55.0, "peak": 90.0},
        resources__service__cpu_wait_percent={"avg": 40.0, "peak": 90.0},
    )
    disturbed = diagnosed("one", slowed(busy, 120, 180, 200))
    assert disturbed["diagnosis"][0]["cause"] == "noisy_neighbour"
    slow_one = diagnosed("other", slowed(failed_run(), 250, 400, 450))
    (alone,) = (c for c in diagnose_session([slow_one]) if c["cause"] == "slow_endpoint")
    both = {each["cause"]: each for each in diagnose_session([disturbed, slow_one])}
    assert both["slow_endpoint"]["confidence"] >= alone["confidence"]
    small = diagnose_session([disturbed, pool_too_small("other")])
    assert [each["cause"] for each in small[:2]] == ["pool_exhausted", "noisy_neighbour"]
    twice = diagnose_session([disturbed, disturbed])[0]
    assert twice["confidence"] == disturbed["diagnosis"][0]["confidence"]


def test_a_test_that_passed_does_not_explain_one_that_failed():
    """A cause in a test that missed a target only explains nothing where a test failed."""
    missed = pool_too_small("one")
    missed["verdict"]["grade"] = missed["verdict"]["findings"][0]["grade"] = "acceptable"
    missed = diagnosed("one", missed)
    assert missed["diagnosis"][0]["cause"] == "pool_exhausted"
    slow_one = diagnosed("other", slowed(failed_run(), 250, 400, 450))
    assert diagnose_session([missed, slow_one])[0]["cause"] == "slow_endpoint"
    assert diagnose_session([missed])[0]["cause"] == "pool_exhausted"


def test_the_first_failure_by_time():
    """The threshold crossed first in time is the first failure, with its test and second."""
    session = [pool_too_small("later", "12:06:30"), pool_too_small("sooner", "12:05:30")]
    first = first_failure(session)
    assert first is not None
    assert (first.test, first.at_s, first.message) == ("sooner", 7.0, "p95_ms is bad")


def test_a_critical_entry_comes_before_a_warning():
    """A critical entry comes before any earlier warning."""
    warned = diagnosed("warned", failed_run({**complaint("cpu_percent"), "grade": "warning"}))
    failed = diagnosed("failed", failed_run(complaint("error_rate_percent")), at="12:30:00")
    first = first_failure([warned, failed])
    assert first is not None
    assert (first.test, first.at_s) == ("failed", None)


def test_the_first_failure_without_times():
    """Without known times, the test of the most likely cause failed first."""
    guessed = diagnosed("guessed", failed_run(complaint("error_rate_percent")))
    known = diagnosed(
        "known", failed_run(complaint("first 429", cause="rate_limiter_absent")), "12:30:00"
    )
    first = first_failure([guessed, known])
    assert first is not None
    assert (first.test, first.at_s) == ("known", None)


def test_the_cause_belongs_to_the_test_that_failed_first():
    """The cause shown for the first failure was found in the test that failed."""
    unlimited = failed_run(complaint("first 429", cause="rate_limiter_absent"))
    lines = diagnosis([pool_too_small("lists"), diagnosed("limit", unlimited)])
    assert "(lists, 7 s after its start)" in lines[1]
    assert lines[2].startswith("Why: the database connection pool is exhausted")
    assert lines[4].startswith("Also: the rate limiter is not active (95% sure, in limit)")


def test_all_reports_name_the_same_cause_first():
    """Page, annotations and explanation begin with the cause that the terminal names."""
    unlimited = failed_run(complaint("first 429", cause="rate_limiter_absent"))
    session = [pool_too_small("lists"), diagnosed("limit", unlimited)]
    shown = [cause["title"] for cause in shown_causes(session)]
    assert diagnosis(session)[2].startswith(f"Why: {shown[0]} (")
    causes = [line for line in explanation(session).splitlines() if line.startswith("Cause: ")]
    assert causes == [f"Cause:    {title}" for title in shown]


def test_a_healthy_session_has_no_diagnosis():
    """Healthy runs get no diagnosis lines."""
    old = healthy()
    assert diagnosis([diagnosed("one", healthy()), old]) == []
    restarted = healthy(resources__service__restarts={"started": 1, "exited": 1})
    assert diagnosis([diagnosed("one", restarted)]) == []


def test_a_failed_session_shows_failure_cause_and_fix():
    """A failed session ends with the first failure, its cause and the fix."""
    session = [pool_too_small("lists"), pool_too_small("details", "12:07:00")]
    lines = [line for line in diagnosis(session) if line]
    assert lines[0] == "What broke first: p95_ms is bad (lists, 7 s after its start)"
    assert lines[1].startswith("Why: the database connection pool is exhausted (8")
    assert "in lists, details" in lines[1]
    assert "all 3 connections were in use" in lines[1]
    assert lines[2].startswith("Fix: raise pool size and overflow")
    assert len(lines) <= 8
    shown = verdict_table([(result, None) for result in session], width=160, colour=False)
    assert shown.endswith("\n".join(diagnosis(session)) + "\n")


def test_an_unexplained_warning():
    """A warning that no rule explains is shown as unexplained."""
    puzzling = diagnosed("one", failed_run(complaint("error_rate_percent")))
    assert diagnosis([puzzling])[-1].startswith("Why: no rule explains it")


def test_an_unknown_cause_is_left_out():
    """Causes that this version does not know are skipped."""
    known = pool_too_small("one")
    known["diagnosis"].append({"cause": "from the future", "confidence": 1.0})
    assert "from the future" not in [cause["cause"] for cause in diagnose_session([known])]


def interval(start_s: int, response_ms: float) -> dict[str, Any]:
    """A second of a result, whose requests all take the same time."""
    times = Histogram()
    times.add(np.full(20, round(response_ms * 1e6)))
    return {"start_s": start_s, "duration_s": 1, "requests": 20, "histogram_ns": encode(times)}


def test_rising_response_times_miss_a_threshold_before_the_slowest_requests():
    """The moment is that of the first interval that misses, not of the slowest requests."""
    result = slowed(failed_run(complaint(threshold=LIMITS)), 900, 2500, 2900)
    result["metrics"]["slowest"] = [slow(ENDPOINTS[0], 2900 - n, at_s=28.0) for n in range(20)]
    first = first_failure([diagnosed("one", result)])
    assert first is not None
    assert first.at_s == 28.0
    result["intervals"] = [interval(n, response_ms=50 + 100.0 * n) for n in range(30)]
    first = first_failure([diagnosed("one", result)])
    assert first is not None
    assert first.at_s == 4.0
