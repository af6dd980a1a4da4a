import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from straingauge.workers.load_state import LoadState, worker_number
from straingauge.workers.messages import (
    Abort,
    Aborted,
    Barrier,
    MergedReports,
    Proceed,
    Report,
    Shard,
    Stage,
    ToWorker,
)

TEST = "test_it.py::test_load"


def report(process: str, at_s: float, requests: int) -> Report:
    """Return the report of a process."""
    return Report(process, round(at_s * 1e9), requests, b"")


class Fleet:
    """Processes at a load, by name; the clock stands still unless a test moves it."""

    def __init__(self, count: int, cores: int = 8) -> None:
        self.present = [f"gw{number}" for number in range(count)]
        self.load = LoadState(TEST, cores)
        self.now_ns = 0

    def arrive(self, stage: Stage, *names: str, max_processes: int = 99) -> dict[str, ToWorker]:
        """These processes (all) come to a stage, one after the other."""
        answers = {}
        for name in names or self.present:
            barrier = Barrier(TEST, stage, max_processes=max_processes, report=report(name, 0, 0))
            answers |= self.load.arrive(name, barrier, self.present, self.now_ns)
        return answers

    def lose(self, name: str) -> dict[str, ToWorker]:
        """A process is lost."""
        self.present.remove(name)
        return self.load.lose(name, "killed", self.present, self.now_ns)

    def begin(self) -> None:
        """All come, get their shares and start."""
        self.arrive("join")
        self.arrive("start")


def test_all_are_seated_when_the_last_has_come():
    """No process gets a shard before all have joined; then each gets one, and the first leads."""
    clients = Fleet(3)
    assert clients.arrive("join", "gw1", "gw0") == {}
    assert clients.arrive("join", "gw2") == {f"gw{i}": Shard(i, 3, 0) for i in range(3)}


@given(count=st.integers(1, 60), cores=st.integers(1, 64), users=st.integers(1, 100))
def test_shares_are_exactly_those_of_one_schedule(count: int, cores: int, users: int):
    """As many processes as cores and users allow get shares 0..n-1 of n; the others get none."""
    shards = Fleet(count, cores).arrive("join", max_processes=users)
    active = min(count, cores, users)
    assert sorted(s.index for s in shards.values() if s.index is not None) == list(range(active))
    assert {(shard.count, shard.idle) for shard in shards.values()} == {(active, count - active)}


def test_stages_begin_at_one_instant():
    """The processes that have a share start, read back and end together, at one instant each."""
    clients = Fleet(2)
    clients.arrive("join")
    for stage in ("start", "load_end", "cooldown_end"):
        assert clients.arrive(stage, "gw1") == {}
        answers = clients.arrive(stage, "gw0")
        assert answers.keys() == {"gw0", "gw1"}
        assert isinstance(answers["gw0"], Proceed)
        assert answers["gw0"] == answers["gw1"]
    answers = clients.arrive("finish")
    assert isinstance(answers["gw0"], MergedReports)
    assert isinstance(answers["gw1"], Proceed)


def test_idle_processes_are_not_waited_for():
    """An idle process leaves at once and delays no other."""
    clients = Fleet(3, cores=2)
    clients.arrive("join")
    assert clients.load.leave("gw2", None, clients.present, 0) == {}
    assert clients.arrive("start", "gw0", "gw1").keys() == {"gw0", "gw1"}


def test_failed_setup_breaks_it_for_all():
    """A log-in that fails in one process is reported to all that wait, with its name."""
    clients = Fleet(3)
    clients.arrive("join")
    clients.arrive("start", "gw0", "gw1")
    answers = clients.load.fail("gw2", "no such user")
    assert answers["gw0"] == answers["gw1"] == Aborted("gw2: no such user")


def test_lost_follower_is_counted_and_the_rest_go_on():
    """A follower lost in mid-run is named, with what it may have measured since its report."""
    clients = Fleet(3)
    clients.begin()
    for second in (1, 2, 3):
        clients.load.report("gw1", report("gw1", second, 100 * second))
    clients.now_ns = 3_500_000_000
    assert clients.lose("gw1") == {}
    assert clients.arrive("load_end", "gw0", "gw2").keys() == {"gw0", "gw2"}
    merged = clients.arrive("finish", "gw0", "gw2")["gw0"]
    (lost,) = merged.lost
    assert (lost.process, lost.samples_at_most) == ("gw1", 50)
    assert {each.process: each.requests for each in merged.reports}["gw1"] == 300


def test_last_one_missing_is_lost():
    """When the process all wait for is lost, the others go on."""
    clients = Fleet(3)
    clients.begin()
    assert clients.arrive("load_end", "gw0", "gw1") == {}
    assert clients.lose("gw2").keys() == {"gw0", "gw1"}


def test_lost_leader_ends_it():
    """Without its leader a load ends: players are called off, all they have measured is kept."""
    clients = Fleet(2)
    clients.begin()
    clients.load.report("gw0", report("gw0", 1, 50))
    clients.load.report("gw1", report("gw1", 1, 70))
    assert clients.lose("gw0") == {"gw1": Abort()}
    last = Barrier(TEST, "load_end", report=report("gw1", 1.2, 90))
    assert isinstance(clients.load.arrive("gw1", last, clients.present, 0)["gw1"], Aborted)
    assert "gw0, which led" in (clients.load.abort_reason or "")
    assert sum(each.requests for each in clients.load.merged().reports) == 50 + 90


def test_lost_after_a_load_was_called_off():
    """A process lost before its last report is named; one lost after it is not."""
    clients = Fleet(3)
    clients.begin()
    for second in (1, 2):
        clients.load.report("gw2", report("gw2", second, 100 * second))
    clients.load.abort("interrupted")
    clients.now_ns = 2_500_000_000
    clients.arrive("load_end", "gw0", "gw1")
    for name in ("gw0", "gw1", "gw2"):
        assert clients.lose(name) == {}
    (lost,) = clients.load.merged().lost
    assert (lost.process, lost.samples_at_most) == ("gw2", 50)


def test_lost_before_the_start_breaks_it():
    """A process lost before the load leaves a shard that none would send, so there is no load."""
    clients = Fleet(2)
    clients.arrive("join")
    clients.arrive("start", "gw0")
    assert isinstance(clients.lose("gw1")["gw0"], Aborted)


def test_latecomer_has_no_share():
    """A process that replaces a lost one joins no running load."""
    clients = Fleet(2)
    clients.begin()
    assert clients.arrive("join", "gw9") == {"gw9": Shard(None, 2, 0)}


def test_leaving_in_the_middle_breaks_it():
    """A process that leaves a test in the middle of its load (its body raised) ends the load."""
    clients = Fleet(2)
    clients.begin()
    clients.arrive("load_end", "gw0")
    answers = clients.load.leave("gw1", None, clients.present, 0)
    assert isinstance(answers["gw0"], Aborted)


@given(data=st.data(), count=st.integers(1, 5))
def test_nobody_waits_for_ever(data: st.DataObject, count: int):
    """In whatever order processes join, are lost or fail: in the end none waits."""
    clients = Fleet(count, cores=data.draw(st.integers(1, 5)))
    stages: dict[str, list[Stage]] = {
        n: ["join", "start", "load_end", "cooldown_end", "finish"] for n in clients.present
    }
    waiting: set[str] = set()

    def answered(answers: dict[str, ToWorker]) -> None:
        for name, answer in answers.items():
            waiting.discard(name)
            if isinstance(answer, Aborted) or (isinstance(answer, Shard) and answer.index is None):
                stages[name] = []

    while movable := [n for n in clients.present if n not in waiting]:
        name = data.draw(st.sampled_from(movable))
        action = data.draw(st.sampled_from(["barrier", "barrier", "barrier", "lose", "fail"]))
        if action == "lose":
            waiting.discard(name)
            answered(clients.lose(name))
        elif not stages[name]:
            answered(clients.load.leave(name, None, clients.present, 0))
            clients.present.remove(name)
        elif action == "fail" and clients.load.has_shard(name):
            answered(clients.load.fail(name, "broken"))
            stages[name] = []
        else:
            stage = stages[name].pop(0)
            waiting.add(name)
            answered(clients.arrive(stage, name))
    assert not waiting


def test_exactly_one_process_reports():
    """Of all processes one reports a test: the leader, or the first to leave when there is none."""
    seated = Fleet(3)
    seated.begin()
    for name in ("gw2", "gw0", "gw1"):
        seated.load.leave(name, None, seated.present, 0)
    assert seated.load.reporter == "gw0"
    skipped = Fleet(3)
    for name in ("gw2", "gw0", "gw1"):
        skipped.load.leave(name, None, skipped.present, 0)
    assert skipped.load.reporter == "gw2"


@pytest.mark.parametrize("names", list(itertools.permutations(["gw2", "gw10", "gw1"])))
def test_processes_are_in_order_of_their_numbers(names: tuple[str, ...]):
    """gw2 comes before gw10."""
    assert sorted(names, key=worker_number) == ["gw1", "gw2", "gw10"]
