import copy
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from diagnosing import (
    causes,
    complaint,
    healthy,
    ill,
    latency,
    noted,
    pool,
    samples,
    slowed,
    table,
)
from hypothesis import given
from hypothesis import strategies as st
from straingauge.diagnosis import CAUSES, dangers, diagnose
from straingauge.diagnosis.catalogue import ADVICE, TITLES
from straingauge.diagnosis.cause import UNSURE, CauseId, make_cause
from straingauge.diagnosis.ranking import EXPLAINS, ranked
from straingauge.diagnosis.rules import ACCOUNTS_FOR, ALARMS, RULES


def test_every_cause_has_a_rule_words_and_advice():
    """Each cause can be found, can be said, is about something, and comes with what to do."""
    for known in (RULES, TITLES, ADVICE, ACCOUNTS_FOR):
        assert set(known) == set(CAUSES)
    assert all(ADVICE.values())
    assert all((rule.__doc__ or "").startswith("Speaks when") for rule in RULES.values())


def test_a_healthy_run_has_no_diagnosis():
    """Where nothing is to explain, nothing is explained."""
    assert diagnose(healthy()) == []
    assert dangers(healthy()) == []


under_load = st.fixed_dictionaries(
    {
        "resources__service__cpu_percent": st.floats(0, 100).map(lambda cpu: {"avg": cpu}),
        "resources__pool": st.builds(
            pool,
            peak_in_use=st.integers(0, 10),
            peak_waiters=st.integers(0, 90),
            wait_avg_ms=st.floats(0, 200),
        ),
        "metrics__latency_ms": st.floats(1, 400).map(lambda ms: latency(ms, 2 * ms, 6 * ms)),
        "resources__service__event_loop": st.builds(
            lambda blocks, ms: {"blocks": blocks, "blocked_s": blocks * ms / 1e3, "longest_ms": ms},
            st.integers(0, 200),
            st.floats(0, 99),
        ),
        "resources__machine__others_cpu_percent": st.floats(0, 100).map(lambda cpu: {"avg": cpu}),
        "resources__after__memory_mb": st.floats(60, 200),
        "resources__after__pool_in_use": st.integers(0, 1),
        "resources__samples": st.lists(st.integers(20, 100), min_size=4, max_size=4).map(
            lambda files: samples(open_files=[*files, files[-1], files[-1]])
        ),
        "resources__jobs__waiting": st.integers(0, 20).map(
            lambda final: {"initial": 0, "peak": 20, "final": final}
        ),
        "resources__service__restarts": st.just({"born": 0, "died": 0}),
    }
)


@given(changes=under_load)
def test_whatever_holds_the_thresholds_is_healthy(changes: dict[str, Any]):
    """A busy pool, a full core, a tail, a neighbour: no diagnosis while thresholds hold."""
    assert diagnose(healthy(**changes)) == []
    assert dangers(healthy(**changes)) == []


HARMLESS = {
    "a cache that grows and stops": {
        "resources__service__memory": {
            "initial_mb": 100.0,
            "growth_mb": 40.0,
            "later_trend_mb_per_200_requests": {"slope": 0.0, "low": -0.1, "high": 0.1},
            "steady": False,
        },
        "resources__after__memory_mb": 140.0,
    },
    "memory given back at rest": {
        "resources__service__memory": {
            "initial_mb": 100.0,
            "growth_mb": 40.0,
            "later_trend_mb_per_200_requests": {"slope": 4.0, "low": 3.0, "high": 5.0},
            "steady": True,
        },
        "resources__after__memory_mb": 104.0,
    },
    "pauses of a collector": {
        "resources__service__event_loop": {"blocks": 90, "blocked_s": 1.8, "longest_ms": 20.0}
    },
    "a burst of files, closed again": {
        "resources__samples": samples(open_files=[40, 50, 60, 70, 80, 90, 100, 110, 120])
    },
    "files that are opened once, late": {
        "resources__samples": samples(open_files=[40] * 11 + [90]),
        "resources__after__open_files": 90,
    },
    "uploads that all take their time": {
        "metrics__latency_ms": latency(900, 1200, 1300),
        "metrics__stalls": {
            "count": 3,
            "longest_ms": 900,
            "total_s": 2.7,
            "every_s": 1.0,
            "waiting": 10,
        },
    },
    "one job that takes a connection at rest": {"resources__after__pool_in_use": 1},
    "jobs that take connections at rest": {
        "resources__after__pool_in_use": 3,
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
def test_what_looks_dangerous_and_is_not(changes: dict[str, Any]):
    """What grows and stops, pauses shortly or passes by is neither named nor a warning."""
    assert diagnose(healthy(**changes)) == []
    assert dangers(healthy(**changes)) == []


def test_a_graceful_restart_is_a_note():
    """A process that ended without breaking a connection is said, unsurely, and is no warning."""
    restarted = healthy(resources__service__restarts={"born": 1, "died": 1})
    (note,) = diagnose(restarted)
    assert note["cause"] == "service_restarted"
    assert note["confidence"] < UNSURE
    assert dangers(restarted) == []


def _parts(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path of every part of a result that has parts of its own, and of every figure."""
    if path:
        yield path
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _parts(inner, (*path, key))


BROKEN = ill(
    complaint(where="GET /items", limits={"warning": 50}),
    complaint("error_rate_percent"),
    complaint("later", cause="memory_leak"),
    complaint("never heard of", cause="from the future"),
    resources__service__event_loop={"blocks": 9, "blocked_s": 3.0, "longest_ms": 400.0},
    resources__after__pool_in_use=9,
    resources__pool=pool(timeouts=3, peak_in_use=10, peak_waiters=9, wait_avg_ms=300),
    validity=noted("generator_late"),
)
PATHS = sorted(set(_parts(BROKEN)))


GONE = object()
rubbish = st.sampled_from([GONE, None, None, math.nan, "no figure", [], {}, [None]])


@given(changes=st.dictionaries(st.sampled_from(PATHS), rubbish, max_size=12))
def test_any_part_may_be_missing(changes: dict[tuple[str, ...], object]):
    """With any parts null, missing or senseless, what is left is diagnosed, and nothing raises."""
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
    dangers(result)


def test_nothing_at_all_is_diagnosed_as_nothing():
    """An empty result has no diagnosis."""
    assert diagnose({}) == []


@pytest.mark.parametrize("cause", CAUSES)
def test_a_finding_that_names_its_cause_is_believed(cause: CauseId):
    """What a test knows to be the cause is named, surely, with the test's own words."""
    found = diagnose(ill(complaint("as it knew", cause=cause)))
    assert found[0]["cause"] == cause
    assert found[0]["confidence"] > 0.9
    assert found[0]["evidence"][0] == "as it knew is bad"


def test_a_good_finding_accuses_nobody():
    """A finding that earned target names a cause that was looked for and not found."""
    entry = {**complaint(cause="rate_limiter_absent"), "grade": "target"}
    assert diagnose(healthy(verdict={"grade": "target", "entries": [entry]})) == []


def test_an_explanation_ranks_above_what_it_explains():
    """For each pair, the cause that accounts for the other comes first, though less sure."""
    for explanation, symptoms in EXPLAINS.items():
        for symptom in symptoms:
            pair = (make_cause(symptom, 0.95, ("x",)), make_cause(explanation, UNSURE, ("y",)))
            first, second = ranked(pair)
            assert (first.cause, second.cause) == (explanation, symptom)
            assert second.confidence < first.confidence


def test_a_guess_explains_nothing():
    """A cause that does not hold lowers no other."""
    sure = make_cause("pool_exhausted", 0.9, ("x",))
    assert ranked([make_cause("missing_index", UNSURE - 0.01, ("y",)), sure])[0] == sure


def test_every_danger_is_a_warning():
    """A danger is a warning though thresholds hold, and the verdict's entry names its cause."""
    leaked = healthy(
        resources__after__pool_in_use=6,
        resources__samples=samples(pool_in_use=[0, 1, 2, 3, 4, 5, 6, 6]),
    )
    (finding,) = dangers(leaked)
    assert finding.grade == "warning"
    assert finding.cause == "connections_leaked"
    assert causes(leaked)[0] == "connections_leaked"
    assert min(ALARMS.values()) >= 0.85


def test_a_saturated_generator_accuses_nobody_else():
    """What a saturated generator measured says nothing of the service, however slow it looks."""
    late = slowed(ill(validity=noted("generator_saturated", "invalid")), 900, 1500, 2000)
    assert causes(late) == ["generator_saturated"]
