import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.engine import Pace
from straingauge.workers.load_state import LoadState
from straingauge.workers.messages import (
    Abort,
    Aborted,
    Barrier,
    EndLoad,
    MergedReports,
    Proceed,
    Report,
    SetPace,
    Shard,
    Stage,
    ToWorker,
)
from straingauge.workers.reports import Ending
from straingauge.workers.shards import worker_number

TEST = "test_it.py::test_load"


def report(process: str, at_s: float, requests: int) -> Report:
    """Return the report of a process."""
    return Report(process, round(at_s * 1e9), requests, b"")


class Processes:
    """Processes in one load, by name; the clock only moves if a test moves it."""

    def __init__(self, count: int, cores: int = 8) -> None:
        self.connected = [f"gw{number}" for number in range(count)]
        self.load = LoadState(TEST, cores)
        self.now_ns = 0

    def arrive(self, stage: Stage, *names: str, max_processes: int = 99) -> dict[str, ToWorker]:
        """Let these processes, by default all, reach a barrier one after the other."""
        replies = {}
        for name in names or self.connected:
            barrier = Barrier(TEST, stage, max_processes=max_processes, report=report(name, 0, 0))
            replies |= self.load.arrive(name, barrier, self.connected, self.now_ns)
        return replies

    def lose(self, name: str) -> dict[str, ToWorker]:
        """Lose a process."""
        self.connected.remove(name)
        return self.load.lose(name, "killed", self.connected, self.now_ns)

    def start(self) -> None:
        """Let all processes join and start."""
        self.arrive("join")
        self.arrive("start")


def test_shards_are_assigned_when_all_have_joined():
    """No process gets a shard before the last one has joined; the first one leads."""
    processes = Processes(3)
    assert processes.arrive("join", "gw1", "gw0") == {}
    assert processes.arrive("join", "gw2") == {f"gw{i}": Shard(i, 3, 0) for i in range(3)}


@given(count=st.integers(1, 60), cores=st.integers(1, 64), users=st.integers(1, 100))
def test_shards_cover_one_schedule(count: int, cores: int, users: int):
    """As many processes as cores and users allow get shards 0..n-1 of n; the others are idle."""
    shards = Processes(count, cores).arrive("join", max_processes=users)
    active = min(count, cores, users)
    assert sorted(s.index for s in shards.values() if s.index is not None) == list(range(active))
    assert {(shard.count, shard.idle) for shard in shards.values()} == {(active, count - active)}


def test_barriers_open_for_all_at_one_instant():
    """Processes with a shard start, verify and end together, each at one instant."""
    processes = Processes(2)
    processes.arrive("join")
    for stage in ("start", "load_end", "cooldown_end"):
        assert processes.arrive(stage, "gw1") == {}
        replies = processes.arrive(stage, "gw0")
        assert replies.keys() == {"gw0", "gw1"}
        assert isinstance(replies["gw0"], Proceed)
        assert replies["gw0"] == replies["gw1"]
    replies = processes.arrive("finish")
    assert isinstance(replies["gw0"], MergedReports)
    assert isinstance(replies["gw1"], Proceed)


def test_idle_processes_are_not_waited_for():
    """A process without a shard leaves at once, and no other process waits for it."""
    processes = Processes(3, cores=2)
    processes.arrive("join")
    assert processes.load.leave("gw2", None, processes.connected, 0) == {}
    assert processes.arrive("start", "gw0", "gw1").keys() == {"gw0", "gw1"}


def test_a_failed_setup_aborts_all():
    """A log-in that fails in one process aborts all that wait, with the name of the process."""
    processes = Processes(3)
    processes.arrive("join")
    processes.arrive("start", "gw0", "gw1")
    replies = processes.load.fail("gw2", "no such user", "make one")
    assert replies["gw0"] == replies["gw1"] == Aborted("gw2: no such user")
    assert processes.load.merged().abort_hint == "make one"


def test_a_lost_follower_is_reported_and_the_others_continue():
    """A follower lost during the load is named, with the samples it may have lost."""
    processes = Processes(3)
    processes.start()
    for second in (1, 2, 3):
        processes.load.report("gw1", report("gw1", second, 100 * second - 50))
    processes.now_ns = 3_500_000_000
    assert processes.lose("gw1") == {}
    assert processes.arrive("load_end", "gw0", "gw2").keys() == {"gw0", "gw2"}
    merged = processes.arrive("finish", "gw0", "gw2")["gw0"]
    (lost,) = merged.lost
    assert (lost.process, lost.samples_estimate) == ("gw1", 50)
    assert {each.process: each.requests for each in merged.reports}["gw1"] == 250


def test_loss_before_the_first_report_is_estimated_from_later_ones():
    """The rate of the others, known only later, is the rate of a process that never reported."""
    processes = Processes(2)
    processes.start()
    load = processes.load
    assert load.start_ns is not None
    processes.now_ns = load.start_ns + 500_000_000
    processes.lose("gw0")
    assert load.merged().lost[0].samples_estimate == 0
    load.report("gw1", report("gw1", load.start_ns / 1e9 + 1, 100))
    assert load.merged().lost[0].samples_estimate == 50


def test_processes_of_an_aborted_load_finish_when_they_leave():
    """After an abort, those that send load are unfinished until they have left the test."""
    processes = Processes(2)
    processes.start()
    assert processes.load.unfinished == ["gw0", "gw1"]
    processes.load.abort("interrupted")
    processes.load.leave("gw1", None, processes.connected, 1)
    assert processes.load.unfinished == ["gw0"]
    processes.lose("gw0")
    assert processes.load.unfinished == []


def test_the_loss_of_a_process_before_its_second_report():
    """Its lost samples are estimated at the rate of the others, from the start if need be."""
    processes = Processes(3)
    processes.start()
    for second in (1, 2):
        processes.load.report("gw0", report("gw0", second, 100 * second - 50))
    processes.load.report("gw1", report("gw1", 1, 50))
    processes.now_ns = 2_000_000_000
    start_s = (processes.load.start_ns or 0) / 1e9
    for name in ("gw1", "gw2"):
        assert processes.lose(name) == {}
    first, second = processes.load.merged().lost
    assert first.samples_estimate == 100
    assert second.samples_estimate == math.ceil(100 * (2 - start_s))


def test_the_loss_of_the_last_process_opens_the_barrier():
    """If the process for which all wait is lost, the others continue."""
    processes = Processes(3)
    processes.start()
    assert processes.arrive("load_end", "gw0", "gw1") == {}
    assert processes.lose("gw2").keys() == {"gw0", "gw1"}


def test_a_lost_leader_aborts_the_load():
    """Without its leader a load is aborted, and all reports are kept."""
    processes = Processes(2)
    processes.start()
    processes.load.report("gw0", report("gw0", 1, 50))
    processes.load.report("gw1", report("gw1", 1, 70))
    assert processes.lose("gw0") == {"gw1": Abort()}
    last = Barrier(TEST, "load_end", report=report("gw1", 1.2, 90))
    assert isinstance(processes.load.arrive("gw1", last, processes.connected, 0)["gw1"], Aborted)
    assert "gw0, which led" in (processes.load.abort_reason or "")
    assert sum(each.requests for each in processes.load.merged().reports) == 50 + 90


def test_loss_after_an_abort():
    """A process lost before its last report is named; one lost after it is not."""
    processes = Processes(3)
    processes.start()
    for second in (1, 2):
        processes.load.report("gw2", report("gw2", second, 100 * second - 50))
    processes.load.abort("interrupted")
    processes.now_ns = 2_500_000_000
    processes.arrive("load_end", "gw0", "gw1")
    for name in ("gw0", "gw1", "gw2"):
        assert processes.lose(name) == {}
    (lost,) = processes.load.merged().lost
    assert (lost.process, lost.samples_estimate) == ("gw2", 50)


def test_a_loss_before_the_start_aborts_the_load():
    """The shard of a process lost before the start would not be sent: there is no load."""
    processes = Processes(2)
    processes.arrive("join")
    processes.arrive("start", "gw0")
    assert isinstance(processes.lose("gw1")["gw0"], Aborted)


def test_a_late_process_gets_no_shard():
    """A process that replaces a lost one does not join a running load."""
    processes = Processes(2)
    processes.start()
    assert processes.arrive("join", "gw9") == {"gw9": Shard(None, 2, 0)}


def test_leaving_during_the_load_aborts_it():
    """A process that leaves a test during its load, because the test raised, aborts the load."""
    processes = Processes(2)
    processes.start()
    processes.arrive("load_end", "gw0")
    replies = processes.load.leave("gw1", None, processes.connected, 0)
    assert isinstance(replies["gw0"], Aborted)


@given(data=st.data(), count=st.integers(1, 5))
def test_no_process_waits_forever(data: st.DataObject, count: int):
    """In whatever order processes join, fail or are lost, none is waiting at the end."""
    processes = Processes(count, cores=data.draw(st.integers(1, 5)))
    stages: dict[str, list[Stage]] = {
        n: ["join", "start", "load_end", "cooldown_end", "finish"] for n in processes.connected
    }
    waiting: set[str] = set()

    def handle(replies: dict[str, ToWorker]) -> None:
        for name, reply in replies.items():
            waiting.discard(name)
            if isinstance(reply, Aborted) or (isinstance(reply, Shard) and reply.index is None):
                stages[name] = []

    while movable := [n for n in processes.connected if n not in waiting]:
        name = data.draw(st.sampled_from(movable))
        action = data.draw(st.sampled_from(["barrier", "barrier", "barrier", "lose", "fail"]))
        if action == "lose":
            waiting.discard(name)
            handle(processes.lose(name))
        elif not stages[name]:
            handle(processes.load.leave(name, None, processes.connected, 0))
            processes.connected.remove(name)
        elif action == "fail" and processes.load.has_shard(name):
            handle(processes.load.fail(name, "broken", None))
            stages[name] = []
        else:
            stage = stages[name].pop(0)
            waiting.add(name)
            handle(processes.arrive(stage, name))
    assert not waiting


def test_exactly_one_process_reports():
    """A test is reported by the leader, or by the first process to leave if there is none."""
    started = Processes(3)
    started.start()
    for name in ("gw2", "gw0", "gw1"):
        started.load.leave(name, None, started.connected, 0)
    assert started.load.reporter == "gw0"
    skipped = Processes(3)
    for name in ("gw2", "gw0", "gw1"):
        skipped.load.leave(name, None, skipped.connected, 0)
    assert skipped.load.reporter == "gw2"


@pytest.mark.parametrize("names", list(itertools.permutations(["gw2", "gw10", "gw1"])))
def test_processes_are_sorted_by_number(names: tuple[str, ...]):
    """gw2 comes before gw10."""
    assert sorted(names, key=worker_number) == ["gw1", "gw2", "gw10"]


def test_end_of_a_load_reaches_every_process():
    """A load is ended once, in all processes, while it runs; they then meet as at any end."""
    processes = Processes(2)
    first = Ending("threshold", "p95", 3.0)
    assert processes.load.end(first) == {}
    processes.start()
    assert processes.load.end(first) == {"gw0": EndLoad(), "gw1": EndLoad()}
    assert processes.load.end(Ending("user", "stop", 4.0)) == {}
    assert processes.arrive("load_end").keys() == {"gw0", "gw1"}
    processes.arrive("cooldown_end")
    merged = processes.arrive("finish")["gw0"]
    assert isinstance(merged, MergedReports)
    assert merged.ending is first
    assert merged.abort_reason is None


def test_changed_pace_reaches_every_process():
    """A change reaches the processes of a load while it runs, and is noted for the result."""
    processes = Processes(2)
    faster = Pace(rate_percent=200)
    assert processes.load.set_pace(faster, "too early") == {}
    processes.start()
    changed = processes.load.set_pace(faster, "rate 200 %")
    assert changed == {"gw0": SetPace(faster), "gw1": SetPace(faster)}
    processes.arrive("load_end")
    assert processes.load.set_pace(Pace(), "too late") == {}
    assert processes.load.merged().changes == ("rate 200 %",)
