"""The registry of a Locust master's workers, and the offsets of their clocks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.verdict.shared_cpus import shared_cpus_note
from straingauge.workers.clock_sync import ClockSync, Reading
from straingauge.workers.user_ids import UserIdAllocator
from straingauge.workers.worker_registry import WorkerRegistry

S = 1_000_000_000
BOTH = ("a", "b")


def report(sequence: int, requests: int, at_s: float, run: int = 1) -> dict[str, Any]:
    """Return a report as workers send it."""
    clock = {"offset_ms": 0.0, "error_ms": 0.1, "drift_ms": 0.0}
    times = {"started_ns": 0, "at_ns": round(at_s * S)}
    return {"run": run, "sequence": sequence, "requests": requests, "clock": clock, **times}


@pytest.fixture
def registry() -> WorkerRegistry:
    """Two workers whose run starts at 0."""
    fresh = WorkerRegistry()
    for worker in BOTH:
        fresh.register(worker, f"worker {worker}", BOTH, 0)
    fresh.start_run(1, BOTH, 1, 0)
    return fresh


def notes(registry: WorkerRegistry) -> str:
    """Return all notes as one text."""
    return " / ".join(note.message for note in registry.notes())


def test_late_report_replaces_no_newer_one(registry: WorkerRegistry):
    """A report that was overtaken or is of another run changes nothing, nor does a lost one."""
    assert registry.add_report("a", report(1, 10, 1), 3, S)
    assert registry.add_report("a", report(4, 40, 4), 3, 4 * S)  # 2 is lost, 3 is late
    assert not registry.add_report("a", report(3, 30, 3), 3, 5 * S)
    assert not registry.add_report("a", report(9, 90, 9, run=2), 3, 5 * S)
    registry.add_final_report("a", report(5, 50, 5), 6 * S)
    assert not registry.add_report("a", report(4, 40, 4), 3, 7 * S)
    assert registry.reports() == {"worker a": report(5, 50, 5)}
    assert registry.pending(BOTH) == {"b"}


def test_lost_worker_takes_no_more_than_is_said(registry: WorkerRegistry):
    """At most the highest rate for one heartbeat after the last, and one request per user."""
    registry.add_report("a", report(1, 100, 1), 3, 1 * S)
    registry.add_report("a", report(2, 400, 4), 3, 4 * S)
    registry.add_report("b", report(1, 800, 4), 3, 4 * S)  # 200 per second
    registry.add_heartbeat("a", 5 * S)
    assert registry.lost(("b",), 60 * S)[0].samples_estimate == 200 * (5 + 1 - 4) + 3
    (lost,) = registry.lost(("b",), 60 * S)
    assert lost.process == "worker a"
    assert "no heartbeat since 5 s" in lost.reason
    assert registry.lost(BOTH, 60 * S) == ()  # the run goes on, and both are alive
    registry.end_run(60 * S)
    registry.add_final_report("b", report(2, 900, 60), 61 * S)
    (lost,) = registry.lost(BOTH, 61 * S)
    assert "its final report never arrived" in lost.reason


def test_worker_that_dies_before_its_first_report(registry: WorkerRegistry):
    """The reason says that it never reported, and the bound is by the others' rate."""
    registry.add_report("b", report(1, 500, 5), 1, 5 * S)
    registry.add_heartbeat("a", S)
    (lost,) = registry.lost(("b",), 9 * S)
    assert "before its first report" in lost.reason
    assert lost.samples_estimate == 100 * 2


def test_late_silent_and_early_leaving_workers_are_noted(registry: WorkerRegistry):
    """Each of them with its time, in the result's notes and in the workers' fields."""
    registry.add_heartbeat("a", 2 * S)
    registry.add_heartbeat("a", 12 * S)
    registry.register("c", "worker c", (*BOTH, "c"), 20 * S)
    registry.add_final_report("b", report(1, 5, 30), 30 * S)
    registry.end_run(60 * S)
    text = notes(registry)
    assert "worker a was silent from 2 s to 12 s after the start" in text
    assert "worker b left 30 s after the start" in text
    assert "worker c joined 20 s after the start" in text
    assert registry.as_dict()["worker a"]["silences_s"] == [[2.0, 12.0]]
    assert "worker d" not in text
    assert registry.refuse("worker d", "it differs")
    assert not registry.refuse("worker d", "it differs")
    assert "worker d was refused: it differs" in notes(registry)


def test_healthy_run_has_no_notes(registry: WorkerRegistry):
    """Workers that were alive all the time need no note."""
    for second in range(60):
        for worker in BOTH:
            registry.add_heartbeat(worker, second * S)
    registry.end_run(60 * S)
    for worker in BOTH:
        registry.add_final_report(worker, report(1, 5, 60), 61 * S)
    assert registry.notes() == []
    assert registry.lost((), 99 * S) == ()


def test_shard_of_a_lost_worker_is_taken_over(registry: WorkerRegistry):
    """A worker that joins after one died gets its shard, and so its accounts; others a new one."""
    assert [registry.shard(worker) for worker in BOTH] == [0, 1]
    registry.register("c", "worker c", ("b", "c"), 9 * S)
    registry.register("d", "worker d", ("b", "c", "d"), 9 * S)
    assert [registry.shard("c"), registry.shard("d")] == [0, 2]


def test_uncertain_clock_is_noted(registry: WorkerRegistry):
    """A clock that may be off by more than the resolution between processes is noted."""
    uncertain = report(1, 10, 1)
    uncertain["clock"] = {"offset_ms": 0.0, "error_ms": 80.0, "drift_ms": 0.0}
    registry.add_report("a", uncertain, 1, S)
    registry.add_report("b", report(1, 10, 1) | {"clock": None}, 1, S)
    assert "the clock of worker a may be off by up to 80 ms" in notes(registry)
    assert "the clock of worker b may be off by an unknown amount" in notes(registry)


def test_workers_allocate_different_user_ids():
    """Two workers of two allocate disjoint numbers, and a released number is used again first."""
    first, second = (UserIdAllocator(lambda index=index: (index, 2)) for index in (0, 1))
    assert [first.allocate() for _ in range(3)] == [0, 2, 4]
    assert [second.allocate() for _ in range(3)] == [1, 3, 5]
    first.release(2)
    assert [first.allocate(), first.allocate()] == [2, 6]


delays_ns = st.lists(st.tuples(*[st.integers(0, 10**9)] * 2), min_size=1, max_size=12)


@given(ahead_ns=st.integers(-(10**15), 10**15), delays=delays_ns)
def test_offset_is_right_within_its_error(ahead_ns: int, delays: list[tuple[int, int]]):
    """The true offset is within the error, however long and unequal the two ways are."""
    clock, now_ns = ClockSync(), 10**16
    for there_ns, back_ns in delays:
        answered_ns = now_ns + there_ns + ahead_ns
        received_ns = now_ns + there_ns + back_ns
        clock.add(Reading.from_round_trip(now_ns, answered_ns, received_ns))
        now_ns += S
    best, aligned_ns = clock.best, clock.align(now_ns + ahead_ns)
    assert best is not None
    assert aligned_ns is not None
    assert abs(best.offset_ns - ahead_ns) <= best.error_ns + 1
    assert best.error_ns <= (min(sum(both) for both in delays) + 1) // 2
    assert abs(aligned_ns - now_ns) <= best.error_ns + 1


@pytest.mark.parametrize(
    ("processes", "usable", "noted"), [(4, 1, True), (3, 2, True), (2, 2, False)]
)
def test_processes_that_share_cpus_are_a_note(processes: int, usable: int, noted: bool):  # noqa: FBT001
    """More processes than usable CPUs are a note with the number to start."""
    found = [each.as_dict() for each in shared_cpus_note(processes, usable)]
    assert bool(found) is noted
    for each in found:
        assert each["severity"] == "note"
        assert each["advice"].endswith(f"--processes {usable}")
