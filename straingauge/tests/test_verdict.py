import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.errors import UsageError
from straingauge.result.format.schema import Schema, schema
from straingauge.verdict import (
    GRADES,
    METRICS,
    Finding,
    Threshold,
    Thresholds,
    ValidityInput,
    check_validity,
    fails,
    judge,
    metrics,
    worst,
)
from straingauge.workers import LostProcess

LOWER = Threshold(100, 500, 1000, higher_is_better=False)
HIGHER = Threshold(100, 50, 50, higher_is_better=True)
values = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("limits", "value", "grade"),
    [
        (LOWER, 0, "target"),
        (LOWER, 100, "target"),
        (LOWER, 100.1, "acceptable"),
        (LOWER, 499.9, "acceptable"),
        (LOWER, 500, "warning"),
        (LOWER, 999.9, "warning"),
        (LOWER, 1000, "critical"),
        (HIGHER, 100, "target"),
        (HIGHER, 99.9, "acceptable"),
        (HIGHER, 50.1, "acceptable"),
        (HIGHER, 50, "warning"),
        (HIGHER, 49.9, "critical"),
        (LOWER, None, "no_data"),
        (HIGHER, math.nan, "no_data"),
    ],
)
def test_grades(limits: Threshold, value: float | None, grade: str):
    """Each grade begins and ends where the contract of thresholds.toml says."""
    assert limits.grade(value) == grade


@given(three=st.tuples(values, values, values), one=values, other=values, higher=st.booleans())
def test_better_never_earns_worse(
    three: tuple[float, float, float],
    one: float,
    other: float,
    higher: bool,  # noqa: FBT001  hypothesis gives it by name
):
    """Of two values the better one never gets the worse grade, whatever the limits."""
    limits = Threshold(*sorted(three, reverse=higher), higher_is_better=higher)
    better, worse = sorted((one, other), reverse=higher)
    assert GRADES.index(limits.grade(better)) <= GRADES.index(limits.grade(worse))


@given(st.lists(st.sampled_from(GRADES), min_size=1))
def test_run_earns_its_worst_grade(grades: list[Any]):
    """A run's grade is its worst entry's; it fails when any entry alone would."""
    assert all(GRADES.index(grade) <= GRADES.index(worst(grades)) for grade in grades)
    assert fails(worst(grades)) == any(fails(grade) for grade in grades)


def thresholds(text: str, tmp_path: Path) -> Thresholds:
    """Thresholds of a file with this text."""
    path = tmp_path / "thresholds.toml"
    path.write_text(text)
    return Thresholds.read(path)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[all\n", "not valid TOML", None),
        ("[al]\n", r"\[al\]: there is no table", 'did you mean "all"?'),
        ("[all]\np95 = 1", r"\[all\] p95: there is no metric", "p95_ms"),
        ("[all]\np95_ms = 1", "needs exactly target, warning and critical", "write p95_ms ="),
        ("[all]\np95_ms = {target=1, warning=2}", "needs exactly", "write p95_ms ="),
        ('[all]\np95_ms = {target="1", warning=2, critical=3}', "target: not a number: '1'", None),
        ("[all]\np95_ms = {target=1, warning=nan, critical=3}", "warning: not a number", None),
        ("[all]\np95_ms = {target=true, warning=2, critical=3}", "not a number: True", None),
        ("[all]\np95_ms = {target=3, warning=2, critical=1}", "lower is better", None),
        ("[all]\nthroughput_rps = {target=1, warning=2, critical=3}", "higher is better", None),
        ("test = 1", "test must be tables", None),
        ("[test]\nx = 1", "must be a table of metrics", None),
        ('[endpoint."GET /"]\npool_timeouts = {target=0, warning=1, critical=1}', "metric", None),
    ],
)
def test_mistakes_in_thresholds_are_named(
    tmp_path: Path, text: str, message: str, hint: str | None
):
    """A mistake in thresholds.toml is named with its file, its key and what would be right."""
    with pytest.raises(UsageError, match=message) as error:
        thresholds(text, tmp_path)
    assert str(tmp_path / "thresholds.toml") in str(error.value)
    if hint is not None:
        assert hint in (error.value.hint or "")


def test_missing_thresholds_file(tmp_path: Path):
    """A thresholds file that is not there is an error that says how to name one."""
    with pytest.raises(UsageError, match="cannot be read") as error:
        Thresholds.read(tmp_path / "none.toml")
    assert "--thresholds" in (error.value.hint or "")


def result(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  parts of a result
    """A result as the judge needs it."""
    figures = {
        "total_requests": 200,
        "rate_limited": 0,
        "error_rate_percent": 0.0,
        "latency_ms": {"p95": 80.0},
        "errors": {"kinds": {}},
    }
    return {
        "name": "health",
        "metrics": figures,
        "endpoints": {"GET /health": figures},
        "resources": {"pool": None},
        "errors": {"kinds": {}},
        "validity": {"reasons": []},
        **changes,
    }


DEMANDS = """
[all]
error_rate_percent = { target = 1, warning = 5, critical = 10 }
[test.other]
p95_ms = { target = 1, warning = 2, critical = 3 }
[endpoint."GET /health"]
p95_ms = { target = 100, warning = 500, critical = 1000 }
[endpoint."GET /other"]
p95_ms = { target = 100, warning = 500, critical = 1000 }
"""


def test_only_what_concerns_the_run_is_demanded(tmp_path: Path):
    """A run is held to [all], to its own test table and to the endpoints it called."""
    verdict = judge(result(), thresholds(DEMANDS, tmp_path))
    assert [(entry.endpoint, entry.rule) for entry in verdict.findings] == [
        ("", "error_rate_percent"),
        ("", "journey_errors"),
        ("GET /health", "p95_ms"),
    ]
    assert verdict.grade == "target"


def test_demanded_endpoint_without_data_fails(tmp_path: Path):
    """An endpoint the test says it calls, and did not, has no data: that fails."""
    verdict = judge(result(), thresholds(DEMANDS, tmp_path), required=["GET /other"])
    assert verdict.grade == "no_data"
    assert verdict.failed
    assert "no data" in verdict.decisive[0].message


def test_metric_without_data_fails(tmp_path: Path):
    """A figure that could not be measured does not pass for a good one."""
    text = "[test.health]\npool_timeouts = { target = 0, warning = 1, critical = 1 }"
    assert judge(result(), thresholds(text, tmp_path)).grade == "no_data"


@pytest.mark.parametrize(
    ("value", "text"), [(812.34, "812 ms"), (14_260.4, "14,260 ms"), (2e6, "2,000,000 ms")]
)
def test_large_values_have_no_exponent(tmp_path: Path, value: float, text: str):
    """The message of a slow run has its times in full, such as 14,260 ms."""
    demands = "[all]\np95_ms = { target = 100, warning = 500, critical = 1000000 }"
    slow = {**result()["metrics"], "latency_ms": {"p95": value}}
    (message,) = (
        finding.message
        for finding in judge(result(metrics=slow), thresholds(demands, tmp_path)).findings
        if finding.rule == "p95_ms"
    )
    assert text in message
    assert "e+" not in message


def test_findings_count_like_thresholds(tmp_path: Path):
    """A finding of a test counts like a threshold."""
    finding = Finding("first 429", "critical", "came at request 131, not 101")
    verdict = judge(result(), thresholds(DEMANDS, tmp_path), [finding])
    assert verdict.grade == "critical"
    assert verdict.decisive == [finding]


def test_invalid_run_has_no_verdict(tmp_path: Path):
    """An invalid run has no grade and fails, however good its statistics."""
    reasons = {"reasons": [{"reason": "interrupted", "severity": "invalid"}]}
    verdict = judge(result(validity=reasons), thresholds(DEMANDS, tmp_path))
    assert verdict.grade == "invalid"
    assert verdict.failed


HEALTHY = {"requests": 10_000, "p95_ms": 100.0, "cpu_share": 0.3}


@pytest.mark.parametrize(
    ("evidence", "reason", "severity"),
    [
        (ValidityInput(), "no_data", "invalid"),
        (ValidityInput(abandoned=5), "no_data", "invalid"),
        (ValidityInput(setup_error="gw1: 401"), "setup_failed", "invalid"),
        (ValidityInput(**HEALTHY, interrupted="Ctrl-C"), "interrupted", "invalid"),
        (ValidityInput(**HEALTHY, rate_limited=101), "rate_limited", "invalid"),
        (ValidityInput(**HEALTHY, rate_limited=100), "rate_limited", "note"),
        (ValidityInput(**HEALTHY, dropped=200), "dropped_work", "invalid"),
        (ValidityInput(**HEALTHY, dropped=1), "dropped_work", "note"),
        (
            ValidityInput(requests=9000, p95_ms=20, start_delay_p99_ms=30, cpu_share=1),
            "generator_saturated",
            "invalid",
        ),
        (
            ValidityInput(**HEALTHY, loop_lag_p50_ms=50, loop_lag_p99_ms=90),
            "generator_saturated",
            "invalid",
        ),
        (ValidityInput(**HEALTHY, start_delay_p99_ms=30), "generator_late", "note"),
        (ValidityInput(**HEALTHY, loop_lag_p99_ms=300), "generator_late", "invalid"),
        (ValidityInput(requests=9000, start_delay_p99_ms=300), "generator_late", "invalid"),
        (
            ValidityInput(requests=9000, p95_ms=20, start_delay_p99_ms=5, cpu_share=1),
            "generator_busy",
            "note",
        ),
        (ValidityInput(**HEALTHY, lost=[LostProcess("gw1", "killed", 90)]), "lost_worker", "note"),
        (
            ValidityInput(**HEALTHY, lost=[LostProcess("gw1", "killed", 90)], unsent=5000),
            "lost_worker",
            "invalid",
        ),
        (ValidityInput(**HEALTHY, users=50, accounts=1), "single_account", "note"),
        (ValidityInput(**HEALTHY, users=50, accounts=40), "shared_accounts", "note"),
        (ValidityInput(**HEALTHY, idle=8, processes=2), "idle_processes", "note"),
        (ValidityInput(requests=367, p95_ms=1.0), "few_samples", "note"),
        (ValidityInput(**HEALTHY, unavailable=["no such process"]), "not_observed", "note"),
    ],
)
def test_reasons_of_validity(evidence: ValidityInput, reason: str, severity: str):
    """Each thing that can spoil a run is named, and only what spoils it makes it invalid."""
    assert [(found.reason, found.severity) for found in check_validity(evidence)] == [
        (reason, severity)
    ]


def test_nothing_to_say_of_a_good_run():
    """A run that nothing spoils has no reasons."""
    assert check_validity(ValidityInput(**HEALTHY, users=50, accounts=50)) == []


def test_slow_service_is_not_a_saturated_generator():
    """If the service takes seconds, a delay of the generator by a fifth of a second is no issue."""
    assert (
        check_validity(ValidityInput(requests=10_000, p95_ms=20_000, start_delay_p99_ms=200)) == []
    )


@pytest.mark.parametrize("name", METRICS)
def test_metrics_stand_in_the_schema(name: str):
    """Each metric is a number of the published format, in results and, if it says so, endpoints."""
    whole, metric = schema("result-1"), METRICS[name]
    assert named(whole, metric.path, whole["definitions"]) in ("number", "integer")
    if metric.per_endpoint:
        endpoint = whole["definitions"]["endpoint"]
        kind = named(endpoint, metric.path[1:], whole["definitions"])
        assert kind in ("number", "integer")


def named(part: Schema, path: Sequence[str], definitions: Schema) -> str:
    """The type of a field, other than null."""
    for key in path:
        part = part.get("properties", {}).get(key) or part["additionalProperties"]
        part = part["allOf"][0] if "allOf" in part else part
        part = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    types = [part["type"]] if isinstance(part["type"], str) else part["type"]
    (found,) = (each for each in types if each != "null")
    return str(found)


def test_metrics_are_listed_in_the_documentation_of_their_module():
    """`pydoc straingauge.verdict.metrics` names each metric and what it measures."""
    for name, metric in METRICS.items():
        assert f"{name}: {metric.description}" in (metrics.__doc__ or "")


def test_requests_that_wait_at_the_end_were_sent():
    """A run that ends while all of its requests wait does not claim that none was sent."""
    (reason,) = check_validity(ValidityInput(abandoned=5))
    assert reason.message == "no request was answered: 5 were in flight when the run ended"
