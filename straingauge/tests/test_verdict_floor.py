"""The floor: a run whose requests fail is never fine, with or without thresholds."""

from pathlib import Path
from typing import Any

import pytest
from straingauge.errors import UsageError
from straingauge.verdict import Finding, Thresholds, judge, thresholds_file

NO_THRESHOLDS = Thresholds.read(None)
FAST = {"p95_ms": {"target": 100, "warning": 500, "critical": 1000}}


def measured(
    total: int = 1000, *, errors: int = 0, limited: int = 0, kind: str = "bad_status"
) -> dict[str, Any]:
    """The traffic of a run or of an endpoint."""
    judged = total - limited
    return {
        "total_requests": total,
        "rate_limited": limited,
        "error_rate_percent": 100 * errors / judged if judged else 0.0,
        "latency_ms": {"p95": 80.0},
        "errors": {"kinds": {kind: errors} if errors else {}},
    }


def result(whole: dict[str, Any], **endpoints: dict[str, Any]) -> Any:  # noqa: ANN401  partial
    """A run of this traffic, by endpoint."""
    return {
        "name": "get",
        "metrics": whole,
        "errors": whole["errors"],
        "endpoints": endpoints or {"GET /": whole},
        "resources": {},
        "validity": {"reasons": []},
    }


def with_speed(**metrics: Any) -> Thresholds:  # noqa: ANN401  as TOML has them
    """Thresholds for the response time, and for other metrics of each run."""
    return Thresholds.parse({"all": {**FAST, **metrics}}, source="a test")


@pytest.mark.parametrize(
    ("errors", "grade"),
    [(0, "target"), (9, "acceptable"), (10, "warning"), (49, "warning"), (50, "critical")],
)
def test_error_rate_is_judged_without_a_threshold(errors: int, grade: str):
    """An error rate of 1 % is a warning and of 5 % critical, if no threshold says otherwise."""
    assert judge(result(measured(errors=errors)), with_speed()).grade == grade


def test_thresholds_may_set_other_figures():
    """A threshold for the error rate replaces that of the floor."""
    lenient = {"target": 10, "warning": 20, "critical": 30}
    verdict = judge(result(measured(errors=80)), with_speed(error_rate_percent=lenient))
    assert verdict.grade == "target"


def test_run_without_thresholds_is_not_judged():
    """With nothing demanded of its speed, a run without errors is not judged, and passes."""
    verdict = judge(result(measured()), NO_THRESHOLDS)
    assert verdict.grade == "not_judged"
    assert not verdict.failed


def test_threshold_file_is_optional_unless_it_is_named(tmp_path: Path):
    """A test has the thresholds of the file next to it, if any; a file that is named must exist."""
    beside, named = tmp_path / "thresholds.toml", tmp_path / "named.toml"
    assert thresholds_file(None, tmp_path / "test_load.py") is None
    beside.touch()
    assert thresholds_file(None, tmp_path / "test_load.py") == beside
    assert thresholds_file(named, tmp_path / "test_load.py") == named
    with pytest.raises(UsageError, match=r"named\.toml: cannot be read"):
        Thresholds.read(named)


def test_threshold_for_errors_alone_does_not_judge_speed():
    """A threshold for the error rate demands nothing of the speed."""
    limits = {"target": 1, "warning": 2, "critical": 3}
    only_errors = Thresholds.parse({"all": {"error_rate_percent": limits}}, source="a test")
    assert judge(result(measured()), only_errors).grade == "not_judged"


def test_threshold_of_an_endpoint_judges_speed():
    """One endpoint's response-time threshold is enough for a verdict, if the run called it."""
    limits = Thresholds.parse({"endpoint": {"GET /": FAST}}, source="a test")
    assert judge(result(measured()), limits).grade == "target"
    others = result(measured(), **{"GET /b": measured()})
    assert judge(others, limits).grade == "not_judged"


def test_finding_of_the_test_judges_the_run():
    """A test that makes its own demands needs no threshold for speed."""
    finding = Finding("first 429", "target", "came at request 101")
    assert judge(result(measured()), NO_THRESHOLDS, [finding]).grade == "target"
    assert judge(result(measured()), NO_THRESHOLDS, rules=[finding]).grade == "not_judged"


def test_journey_that_raises_is_critical():
    """A single exception in a journey is critical, however many requests succeeded."""
    verdict = judge(result(measured(errors=1, kind="journey_error")), with_speed())
    assert verdict.grade == "critical"
    assert [each.message for each in verdict.decisive] == ["journey errors 1, critical from 1"]


def test_run_without_a_successful_request_is_critical():
    """No threshold makes a run fine in which not one request succeeded."""
    lenient = {"target": 100, "warning": 100, "critical": 101}
    run = result(measured(3, errors=3))
    verdict = judge(run, with_speed(error_rate_percent=lenient))
    assert verdict.grade == "critical"
    assert [each.message for each in verdict.decisive] == ["none of 3 requests succeeded"]


@pytest.mark.parametrize(("count", "grade"), [(4, "warning"), (5, "critical")])
def test_endpoint_without_a_successful_request_is_named(count: int, grade: str):
    """An endpoint that always fails is found in a mix that hides it."""
    whole = measured(10_000, errors=count)
    endpoints = {"GET /": measured(10_000 - count), "GET /broken": measured(count, errors=count)}
    verdict = judge(result(whole, **endpoints), with_speed())
    assert verdict.grade == grade
    message = f"GET /broken: none of {count} requests succeeded"
    assert [each.message for each in verdict.decisive] == [message]


def test_rate_limited_requests_are_not_failures():
    """A run that was only rate-limited has no failed request: its validity is in question."""
    verdict = judge(result(measured(100, limited=100)), with_speed())
    assert verdict.grade == "target"
    mixed = judge(result(measured(100, errors=1, limited=99)), with_speed())
    assert mixed.grade == "critical"
