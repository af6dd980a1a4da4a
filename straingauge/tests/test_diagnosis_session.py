from typing import Any

from diagnosing import ENDPOINTS, complaint, healthy, ill, pool, slow, slowed, table, timing
from straingauge.diagnosis import diagnose, diagnose_session, first_failure
from straingauge.report import diagnosis, verdict_table

LIMITS = {"warning": 200.0, "critical": 400.0}


def diagnosed(name: str, result: dict[str, Any], at: str = "12:05:30") -> dict[str, Any]:
    """A run as its file has it."""
    named = {**result, "name": name, "started_at": f"2024-12-17T{at}+00:00"}
    return {**named, "diagnosis": diagnose(named)}


def pool_too_small(name: str, at: str = "12:05:30") -> dict[str, Any]:
    """A run that waited for connections."""
    result = ill(
        complaint(where=ENDPOINTS[0], limits=LIMITS),
        metrics__server_timing=timing(pool=0.6, db=0.3, app=0.05, rest=0.05),
        resources__pool=pool(size=3, peak_in_use=3, peak_waiters=40, wait_avg_ms=150.0),
    )
    result["metrics"]["slowest"] = [slow(ENDPOINTS[0], 450, at_s=s) for s in (21.0, 7.0, 9.0)]
    return diagnosed(name, slowed(result, 250, 400, 450), at)


def index_missing(name: str) -> dict[str, Any]:
    """A run that read a table from end to end."""
    scanned = table(seq_scans=900, rows_per_seq_scan=50_000, seq_rows_read=45_000_000)
    return diagnosed(name, slowed(ill(resources__database__tables=[scanned]), 250, 400, 450))


def test_several_tests_make_a_cause_surer():
    """The same cause in two tests is surer than in one, and both tests are named."""
    (alone, *_) = diagnose_session([pool_too_small("one")])
    (twice, *_) = diagnose_session([pool_too_small("one"), pool_too_small("other")])
    assert alone["cause"] == twice["cause"] == "pool_exhausted"
    assert alone["tests"] == ["one"]
    assert twice["tests"] == ["one", "other"]
    assert alone["confidence"] < twice["confidence"] < 1


def test_a_root_of_one_test_stands_before_its_symptoms_in_others():
    """What accounts for a cause in any test ranks above it in the session."""
    session = [pool_too_small("one"), pool_too_small("other"), index_missing("third")]
    assert diagnose_session(session)[0]["cause"] == "missing_index"


def test_what_broke_first_is_told_by_time():
    """The entry that was crossed first in time is what broke first, with its test and second."""
    session = [pool_too_small("later", "12:06:30"), pool_too_small("sooner", "12:05:30")]
    first = first_failure(session)
    assert first is not None
    assert (first.test, first.at_s, first.message) == ("sooner", 7.0, "p95_ms is bad")


def test_what_is_critical_broke_before_a_warning():
    """A critical entry comes before a warning, whenever that was."""
    warned = diagnosed("warned", ill({**complaint("cpu_percent"), "grade": "warning"}))
    failed = diagnosed("failed", ill(complaint("error_rate_percent")), at="12:30:00")
    first = first_failure([warned, failed])
    assert first is not None
    assert (first.test, first.at_s) == ("failed", None)


def test_without_a_time_the_surest_broke_first():
    """Where no moment is known, the test that shows the surest cause broke first."""
    guessed = diagnosed("guessed", ill(complaint("error_rate_percent")))
    known = diagnosed("known", ill(complaint("first 429", cause="rate_limiter_absent")), "12:30:00")
    first = first_failure([guessed, known])
    assert first is not None
    assert (first.test, first.at_s) == ("known", None)


def test_why_is_of_the_test_that_broke_first():
    """What is said to be the reason is seen in the test that broke, not only in another."""
    unlimited = ill(complaint("first 429", cause="rate_limiter_absent"))
    lines = diagnosis([pool_too_small("lists"), diagnosed("limit", unlimited)])
    assert "(lists, 7 s after its start)" in lines[1]
    assert lines[2].startswith("Why: the database connection pool is exhausted")
    assert lines[4].startswith("Also: the rate limiter is not active (95% sure, in limit)")


def test_a_session_that_is_well_says_nothing():
    """Healthy runs, and files from before there were diagnoses, get no lines."""
    old = healthy()
    assert diagnosis([diagnosed("one", healthy()), old]) == []
    restarted = healthy(resources__service__restarts={"born": 1, "died": 1})
    assert diagnosis([diagnosed("one", restarted)]) == []


def test_what_broke_why_and_what_to_change():
    """A session that is not ends with what broke first, why, and what to change."""
    session = [pool_too_small("lists"), pool_too_small("details", "12:07:00")]
    lines = [line for line in diagnosis(session) if line]
    assert lines[0] == "What broke first: p95_ms is bad (lists, 7 s after its start)"
    assert lines[1].startswith("Why: the database connection pool is exhausted (8")
    assert "in lists, details" in lines[1]
    assert "all 3 connections were in use" in lines[1]
    assert lines[2].startswith("What to change: raise pool size and overflow")
    assert len(lines) <= 8
    shown = verdict_table([(result, None) for result in session], width=160, colour=False)
    assert shown.endswith("\n".join(diagnosis(session)) + "\n")


def test_what_no_rule_explains_is_said():
    """A warning that no rule accounts for is said to be so, and not explained away."""
    puzzling = diagnosed("one", ill(complaint("error_rate_percent")))
    assert diagnosis([puzzling])[-1].startswith("Why: no rule accounts for it")


def test_a_cause_of_a_later_version_is_left_out():
    """A file whose causes this version does not know is shown without them."""
    known = pool_too_small("one")
    known["diagnosis"].append({"cause": "from the future", "confidence": 1.0})
    assert "from the future" not in [cause["cause"] for cause in diagnose_session([known])]
