"""What a Locust master keeps of its workers, and how clocks are told apart: by themselves.

Both modules are pure. They are loaded without their package, which would have Locust patch this
process.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

import straingauge

S = 1_000_000_000
EVERYBODY = ("a", "b")
Roster: TypeAlias = Any  # of a module that no type checker sees loaded


def alone(name: str) -> ModuleType:
    """A module of straingauge.locust without the rest."""
    path = Path(straingauge.__file__).parent / "locust" / "distributed" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"alone_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


roster_module, clock_module = alone("worker_registry"), alone("clock_sync")


def message(sequence: int, requests: int, at_s: float, run: int = 1) -> dict[str, Any]:
    """A report as workers send it."""
    clock = {"offset_ms": 0.0, "error_ms": 0.1, "drift_ms": 0.0}
    times = {"began_ns": 0, "at_ns": round(at_s * S)}
    return {"run": run, "sequence": sequence, "requests": requests, "clock": clock, **times}


@pytest.fixture
def roster() -> Roster:
    """Two workers whose run begins at 0."""
    fresh = roster_module.WorkerRegistry()
    for worker in EVERYBODY:
        fresh.come(worker, f"worker {worker}", EVERYBODY, 0)
    fresh.begin(1, EVERYBODY, 1, 0)
    return fresh


def notes(roster: Roster) -> str:
    """All that a reader is told."""
    return " / ".join(note.message for note in roster.notes())


def test_late_report_replaces_no_newer_one(roster: Roster):
    """A report that was overtaken or is of another run changes nothing, nor does a lost one."""
    assert roster.report("a", message(1, 10, 1), 3, S)
    assert roster.report("a", message(4, 40, 4), 3, 4 * S)  # 2 is lost, 3 is late
    assert not roster.report("a", message(3, 30, 3), 3, 5 * S)
    assert not roster.report("a", message(9, 90, 9, run=2), 3, 5 * S)
    roster.finish("a", message(5, 50, 5), 6 * S)
    assert not roster.report("a", message(4, 40, 4), 3, 7 * S)
    assert roster.parts() == {"worker a": message(5, 50, 5)}
    assert roster.awaited(EVERYBODY) == {"b"}


def test_lost_worker_takes_no_more_than_is_said(roster: Roster):
    """At most the top rate of all, till a heartbeat after it was last heard, and its users."""
    roster.report("a", message(1, 100, 1), 3, 1 * S)
    roster.report("a", message(2, 400, 4), 3, 4 * S)
    roster.report("b", message(1, 800, 4), 3, 4 * S)  # 200 a second
    roster.hear("a", 5 * S)
    assert roster.lost(("b",), 60 * S)[0].samples_at_most == 200 * (5 + 1 - 4) + 3
    (lost,) = roster.lost(("b",), 60 * S)
    assert lost.process == "worker a"
    assert "no heartbeat since 5.0 s" in lost.reason
    assert roster.lost(EVERYBODY, 60 * S) == ()  # the run goes on, and both are there
    roster.end(60 * S)
    roster.finish("b", message(2, 900, 60), 61 * S)
    (lost,) = roster.lost(EVERYBODY, 61 * S)
    assert "its last figures never came" in lost.reason


def test_worker_that_dies_before_its_first_report(roster: Roster):
    """It is said that it never reported, and what it may have measured by the others' rate."""
    roster.report("b", message(1, 500, 5), 1, 5 * S)
    roster.hear("a", S)
    (lost,) = roster.lost(("b",), 9 * S)
    assert "before it first reported" in lost.reason
    assert lost.samples_at_most == 100 * 2


def test_who_comes_late_leaves_early_or_is_silent_is_named(roster: Roster):
    """Each of them with its time, in the result's notes and beside its figures."""
    roster.hear("a", 2 * S)
    roster.hear("a", 12 * S)
    roster.come("c", "worker c", (*EVERYBODY, "c"), 20 * S)
    roster.finish("b", message(1, 5, 30), 30 * S)
    roster.end(60 * S)
    said = notes(roster)
    assert "worker a was silent from 2.0 s after the start till 12.0 s" in said
    assert "worker b left 30.0 s after the start" in said
    assert "worker c came 20.0 s after the start" in said
    assert roster.as_dict()["worker a"]["silences_s"] == [[2.0, 12.0]]
    assert "worker d" not in said
    assert roster.refuse("worker d", "it is another")
    assert not roster.refuse("worker d", "it is another")
    assert "worker d took no part: it is another" in notes(roster)


def test_healthy_run_has_no_notes(roster: Roster):
    """Workers that were there all the time are not worth a word."""
    for second in range(60):
        for worker in EVERYBODY:
            roster.hear(worker, second * S)
    roster.end(60 * S)
    for worker in EVERYBODY:
        roster.finish(worker, message(1, 5, 60), 61 * S)
    assert roster.notes() == []
    assert roster.lost((), 99 * S) == ()


def test_place_of_one_that_is_gone_is_taken_over(roster: Roster):
    """Who comes for one that died has its place, and so its accounts; others a new one."""
    assert [roster.place(worker) for worker in EVERYBODY] == [0, 1]
    roster.come("c", "worker c", ("b", "c"), 9 * S)
    roster.come("d", "worker d", ("b", "c", "d"), 9 * S)
    assert [roster.place("c"), roster.place("d")] == [0, 2]


def test_unsure_clock_is_told(roster: Roster):
    """A worker whose clock may be off by more than what is compared between processes is named."""
    unsure = message(1, 10, 1)
    unsure["clock"] = {"offset_ms": 0.0, "error_ms": 80.0, "drift_ms": 0.0}
    roster.report("a", unsure, 1, S)
    roster.report("b", message(1, 10, 1) | {"clock": None}, 1, S)
    assert "the clock of worker a may be off by up to 80 ms" in notes(roster)
    assert "the clock of worker b may be off by what nobody knows" in notes(roster)


delays_ns = st.lists(st.tuples(*[st.integers(0, 10**9)] * 2), min_size=1, max_size=12)


@given(ahead_ns=st.integers(-(10**15), 10**15), delays=delays_ns)
def test_offset_is_right_within_its_error(ahead_ns: int, delays: list[tuple[int, int]]):
    """However long messages take, and one way longer than the other, the true offset is within."""
    clock, now_ns = clock_module.ClockSync(), 10**16
    for there_ns, back_ns in delays:
        answered_ns = now_ns + there_ns + ahead_ns
        clock.read(clock_module.Reading.of(now_ns, answered_ns, now_ns + there_ns + back_ns))
        now_ns += S
    assert abs(clock.best.offset_ns - ahead_ns) <= clock.best.error_ns + 1
    assert clock.best.error_ns <= (min(sum(both) for both in delays) + 1) // 2
    assert abs(clock.align(now_ns + ahead_ns) - now_ns) <= clock.best.error_ns + 1
