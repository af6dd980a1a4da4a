"""A run in which nothing failed lists no cause that only repeats a missed target."""

from typing import Any

import pytest
from diagnosis_results import ENDPOINTS, causes, complaint, failed_run, healthy, slow, slowed
from straingauge.diagnosis import CAUSES

DESCRIPTIONS = {"slow_start", "slow_tail", "slow_endpoint", "slowing_down"}
WAVES = {"kind": "waves", "concurrent": 50, "every_s": 0.5, "at_least": 1, "at_most": 9}
RISING = {"percent_per_minute": 60.0, "low_percent_per_minute": 45.0}


def first_wave() -> dict[str, Any]:
    """Changes of a run whose first wave opens all connections at once."""
    return {
        "configuration__schedule": WAVES,
        "metrics__slowest": [slow(ENDPOINTS[0], 110.0 + i, at_s=0.0) for i in range(10)],
    }


SHAPES = {
    "slow_start": (first_wave(), (20, 110, 115)),
    "slow_tail": ({}, (12, 160, 190)),
    "slow_endpoint": ({}, (130, 160, 190)),
    "slowing_down": ({"metrics__degradation": RISING}, (60, 80, 90)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_missed_target_is_not_explained_by_its_own_description(shape: str):
    """Which requests are slow is no cause in a run that is acceptable; in one that fails it is."""
    changes, times_ms = SHAPES[shape]
    rule = "p50_ms" if shape == "slowing_down" else "p95_ms"
    failed = slowed(failed_run(complaint(rule), **changes), *times_ms)
    assert causes(failed) == [shape]
    missed = {**complaint(rule), "grade": "acceptable"}
    acceptable = {"grade": "acceptable", "findings": [missed]}
    assert causes(slowed(healthy(verdict=acceptable, **changes), *times_ms)) == []


def test_an_unlikely_cause_is_not_listed_for_a_missed_target():
    """A cause that is less likely than not is listed where something failed, and only there."""
    pauses = {"count": 3, "longest_ms": 160, "total_s": 0.5, "period_s": None, "peak_waiting": 3}
    changes: dict[str, Any] = {"metrics__stalls": pauses}
    failed = failed_run(**changes)
    assert "freeze" in causes(slowed(failed, 60, 130, 160))
    acceptable = {"grade": "acceptable", "findings": [{**complaint(), "grade": "acceptable"}]}
    assert causes(slowed(healthy(verdict=acceptable, **changes), 60, 130, 160)) == []


def test_a_place_in_the_code_is_more_than_a_description():
    """An endpoint that misses a target is listed with the line of code that the profile shows."""
    line = {"file": "app.py", "line": 7, "function": "render", "state": "thread"}
    rows = [{**line, "own_samples": 90, "snapshots": 90}]
    acceptable = {"grade": "acceptable", "findings": [{**complaint(), "grade": "acceptable"}]}
    result = slowed(healthy(verdict=acceptable), 130, 160, 190)
    result["profile"] = {"snapshots": {"count": 100}, "lines": rows}
    assert causes(result) == ["slow_endpoint"]


def test_the_causes_that_only_describe():
    """Only causes of the response times' own shape describe; all others say why."""
    assert {each.id for each in CAUSES.values() if each.describes} == DESCRIPTIONS


def test_a_run_that_meets_its_targets_lists_no_cause():
    """A run that meets every threshold lists no shape of its response times as a cause."""
    for changes, times_ms in SHAPES.values():
        assert causes(slowed(healthy(**changes), *times_ms)) == []
