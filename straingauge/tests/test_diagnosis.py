import copy
import json
import math
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from diagnosis_results import (
    causes,
    complaint,
    failed_run,
    healthy,
    latency,
    noted,
    pool,
    samples,
    slowed,
    table,
)
from hypothesis import given
from hypothesis import strategies as st
from straingauge.diagnosis import CAUSES, Cause, Evidence, FoundCause, diagnose, warnings
from straingauge.diagnosis import causes as causes_package
from straingauge.diagnosis import run as diagnosis_of_run
from straingauge.diagnosis.cause import LIKELY
from straingauge.diagnosis.ranking import EXPLAINS, explanations, ranked
from straingauge.report.evidence import TITLES

PLANTED_CAUSE = '''
from straingauge.diagnosis.cause import Evidence, cause

@cause(
    title="the answer is 42",
    advice=("ask another question",),
    topics=("speed",),
    charts=("latency",),
    explained_by=("cpu_bound",),
)
def planted(result):
    """Detect nothing else."""
    return Evidence(0.9, ("it was measured",))
'''


def found(cause: str, confidence: float) -> FoundCause:
    """A cause with some evidence."""
    return CAUSES[cause].found(Evidence(confidence, ("x",)))


def test_every_cause_has_advice_topics_and_charts():
    """Each declaration is complete, and the report has the charts it names."""
    for id_, cause in CAUSES.items():
        assert cause.id == id_
        assert cause.title
        assert cause.advice
        assert cause.topics
        assert cause.charts
        assert set(cause.charts) <= TITLES.keys()
        if cause.rule is not None:
            assert (cause.rule.__doc__ or "").startswith("Detect ")


def test_a_new_file_is_all_a_new_cause_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A module in the package of causes is found, ranked and shown without any other edit."""
    (tmp_path / "planted_cause.py").write_text(PLANTED_CAUSE)
    monkeypatch.setattr(causes_package, "__path__", [*causes_package.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{causes_package.__name__}.planted_cause", raising=False)
    declared = causes_package.declared_causes()
    assert declared.keys() - CAUSES.keys() == {"planted"}
    assert "planted" in explanations(declared)["cpu_bound"]
    monkeypatch.setattr(diagnosis_of_run, "CAUSES", declared)
    assert "planted" in causes(slowed(failed_run(), 900, 1500, 2000))


def test_two_causes_of_one_id_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The same id in two files is an error, not one cause that hides the other."""
    for name in ("planted_first", "planted_second"):
        (tmp_path / f"{name}.py").write_text(PLANTED_CAUSE)
    monkeypatch.setattr(causes_package, "__path__", [str(tmp_path)])
    with pytest.raises(ValueError, match="two causes have the id planted"):
        causes_package.declared_causes()


def test_a_symptom_that_does_not_exist_is_refused():
    """A misspelt id in a declaration is an error."""
    lonely = Cause(
        id="lonely", title="x", advice=("x",), topics=("speed",), charts=(), explains=("lonley",)
    )
    with pytest.raises(ValueError, match="no such cause: lonley"):
        explanations({"lonely": lonely})


def test_a_healthy_run_has_no_diagnosis():
    """A run without failures has no causes and no warnings."""
    assert diagnose(healthy()) == []
    assert warnings(healthy()) == []


under_load = st.fixed_dictionaries(
    {
        "resources__service__cpu_percent": st.floats(0, 100).map(lambda cpu: {"avg": cpu}),
        "resources__pool": st.builds(
            pool,
            peak_in_use=st.integers(0, 10),
            peak_waiters=st.integers(0, 90),
            avg_wait_ms=st.floats(0, 200),
        ),
        "metrics__latency_ms": st.floats(1, 400).map(lambda ms: latency(ms, 2 * ms, 6 * ms)),
        "resources__service__event_loop": st.builds(
            lambda blocks, ms: {"blocks": blocks, "blocked_s": blocks * ms / 1e3, "longest_ms": ms},
            st.integers(0, 200),
            st.floats(0, 99),
        ),
        "resources__machine__others_cpu_percent": st.floats(0, 100).map(lambda cpu: {"avg": cpu}),
        "resources__cooldown__memory_mb": st.floats(60, 200),
        "resources__cooldown__pool_in_use": st.integers(0, 1),
        "resources__samples": st.lists(st.integers(20, 100), min_size=4, max_size=4).map(
            lambda files: samples(open_files=[*files, files[-1], files[-1]])
        ),
        "resources__jobs__waiting": st.integers(0, 20).map(
            lambda final: {"initial": 0, "peak": 20, "final": final}
        ),
        "resources__service__restarts": st.just({"started": 0, "exited": 0}),
    }
)


@given(changes=under_load)
def test_load_within_thresholds_is_not_diagnosed(changes: dict[str, Any]):
    """A busy pool, core, tail or neighbour is not diagnosed while thresholds pass."""
    assert diagnose(healthy(**changes)) == []
    assert warnings(healthy(**changes)) == []


HARMLESS = {
    "a cache that grows and stops": {
        "resources__service__memory": {
            "initial_mb": 100.0,
            "growth_mb": 40.0,
            "later_trend_mb_per_200_requests": {"slope": 0.0, "low": -0.1, "high": 0.1},
            "still_growing": False,
        },
        "resources__cooldown__memory_mb": 140.0,
    },
    "memory released in the cooldown": {
        "resources__service__memory": {
            "initial_mb": 100.0,
            "growth_mb": 40.0,
            "later_trend_mb_per_200_requests": {"slope": 4.0, "low": 3.0, "high": 5.0},
            "still_growing": True,
        },
        "resources__cooldown__memory_mb": 104.0,
    },
    "pauses of a collector": {
        "resources__service__event_loop": {"blocks": 90, "blocked_s": 1.8, "longest_ms": 20.0}
    },
    "a burst of files, closed again": {
        "resources__samples": samples(open_files=[40, 50, 60, 70, 80, 90, 100, 110, 120])
    },
    "files that are opened once, late": {
        "resources__samples": samples(open_files=[40] * 11 + [90]),
        "resources__cooldown__open_files": 90,
    },
    "uploads that all take their time": {
        "metrics__latency_ms": latency(900, 1200, 1300),
        "metrics__stalls": {
            "count": 3,
            "longest_ms": 900,
            "total_s": 2.7,
            "period_s": 1.0,
            "peak_waiting": 10,
        },
    },
    "one job that uses a connection in the cooldown": {"resources__cooldown__pool_in_use": 1},
    "jobs that use connections in the cooldown": {
        "resources__cooldown__pool_in_use": 3,
        "resources__jobs": {"waiting": {"initial": 0, "peak": 40, "final": 15}, "done": 25},
    },
    "a queue of jobs that is caught up with": {
        "resources__jobs": {"waiting": {"initial": 0, "peak": 40, "final": 15}, "done": 25}
    },
    "a neighbour that takes a core": {
        "resources__machine__others_cpu_percent": {"avg": 100.0, "peak": 101.0}
    },
    "maintenance reading a table": {
        "resources__database__tables": [table(seq_scans=20, rows_per_seq_scan=50_000)]
    },
    "maintenance in a short run": {
        "metrics__total_requests": 20,
        "resources__database__tables": [table(seq_scans=3, rows_per_seq_scan=50_000)],
    },
    "a first request of 2 s": {"metrics__latency_ms": {"p50": 10, "p95": 25, "max": 2000}},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_harmless_patterns_are_not_diagnosed(changes: dict[str, Any]):
    """Growth that stops, short pauses and passing load are neither named nor a warning."""
    assert diagnose(healthy(**changes)) == []
    assert warnings(healthy(**changes)) == []


def test_a_graceful_restart_is_no_cause():
    """A process that ended without breaking a connection explains nothing in a run that passes."""
    restarted = healthy(resources__service__restarts={"started": 1, "exited": 1})
    assert diagnose(restarted) == []
    assert warnings(restarted) == []


def test_a_late_generator_is_no_cause_of_a_run_that_passes():
    """A note that the generator was late lists no cause while all thresholds pass."""
    noticed = healthy(validity=noted("generator_late"))
    assert diagnose(noticed) == []
    failing = failed_run(validity=noted("generator_late"))
    assert causes(failing) == ["generator_saturated"]


def _parts(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every object and every number of a result."""
    if path:
        yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _parts(inner, (*path, key))


BROKEN = failed_run(
    complaint(where="GET /items", threshold={"warning": 50}),
    complaint("error_rate_percent"),
    complaint("later", cause="memory_leak"),
    complaint("never heard of", cause="from the future"),
    resources__service__event_loop={"blocks": 9, "blocked_s": 3.0, "longest_ms": 400.0},
    resources__cooldown__pool_in_use=9,
    resources__pool=pool(timeouts=3, peak_in_use=10, peak_waiters=9, avg_wait_ms=300),
    validity=noted("generator_late"),
)
PATHS = sorted(set(_parts(BROKEN)))


GONE = object()
rubbish = st.sampled_from([GONE, None, None, math.nan, "no figure", [], {}, [None]])


@given(changes=st.dictionaries(st.sampled_from(PATHS), rubbish, max_size=12))
def test_a_result_may_lack_any_part(changes: dict[tuple[str, ...], object]):
    """A result with null, missing or invalid parts is diagnosed by the rest of it."""
    result = copy.deepcopy(BROKEN)
    for path, value in changes.items():
        found: Any = result
        for key in path[:-1]:
            found = found.get(key) if isinstance(found, dict) else None
        if isinstance(found, dict):
            found[path[-1]] = copy.deepcopy(value)
            if value is GONE:
                del found[path[-1]]
    for cause in diagnose(result):
        assert 0 <= cause["confidence"] <= 1
        assert cause["evidence"]
        assert cause["advice"]
        assert json.loads(json.dumps(cause)) == cause
    warnings(result)


def test_an_empty_result_has_no_diagnosis():
    """An empty result has no diagnosis."""
    assert diagnose({}) == []


@pytest.mark.parametrize("cause", CAUSES)
def test_a_reported_cause_ranks_first(cause: str):
    """A cause that a test reports is named with high confidence and the test's own message."""
    best = diagnose(failed_run(complaint("as it knew", cause=cause)))[0]
    assert best["cause"] == cause
    assert best["confidence"] > 0.9
    assert best["evidence"][0] == "as it knew is bad"


def test_a_passing_finding_names_no_cause():
    """A finding graded target names a cause that was looked for and not found: no diagnosis."""
    entry = {**complaint(cause="rate_limiter_absent"), "grade": "target"}
    assert diagnose(healthy(verdict={"grade": "target", "findings": [entry]})) == []


def test_an_explanation_ranks_above_what_it_explains():
    """Of each pair the cause that explains the other ranks first, even with less confidence."""
    for explanation, symptoms in EXPLAINS.items():
        for symptom in symptoms:
            pair = (found(symptom, 0.95), found(explanation, LIKELY))
            first, second = ranked(pair)
            assert (first.cause, second.cause) == (explanation, symptom)
            assert second.confidence < first.confidence


def test_an_unlikely_cause_explains_nothing():
    """A cause that is not likely lowers no other."""
    sure = found("pool_exhausted", 0.9)
    assert ranked([found("missing_index", LIKELY - 0.01), sure])[0] == sure


def test_a_leak_warns_even_if_thresholds_pass():
    """A cause that gets worse with time is a warning even if all thresholds pass."""
    leaked = healthy(
        resources__cooldown__pool_in_use=6,
        resources__samples=samples(pool_in_use=[0, 1, 2, 3, 4, 5, 6, 6]),
    )
    (finding,) = warnings(leaked)
    assert finding.grade == "warning"
    assert finding.cause == "connections_leaked"
    assert causes(leaked)[0] == "connections_leaked"
    assert min(c.warns_from for c in CAUSES.values() if c.warns_from is not None) >= 0.85


def test_a_saturated_generator_is_the_only_cause():
    """The response times of a saturated generator blame nothing in the service."""
    late = slowed(failed_run(validity=noted("generator_saturated", "invalid")), 900, 1500, 2000)
    assert causes(late) == ["generator_saturated"]
