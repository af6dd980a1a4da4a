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
    """What a process has measured."""
    return Report(process, round(at_s * 1e9), requests, b"")


class Fleet:
    """Processes at a gathering, by name; the clock stands still unless a test moves it."""

    def __init__(self, count: int, cores: int = 8) -> None:
        self.present = [f"gw{number}" for number in range(count)]
        self.gathering = LoadState(TEST, cores)
        self.now_ns = 0

    def meet(self, stage: Stage, *names: str, at_most: int = 99) -> dict[str, ToWorker]:
        """These processes (all) come to a stage, one after the other."""
        answers = {}
        for name in names or self.present:
            meet = Barrier(TEST, stage, at_most=at_most, report=report(name, 0, 0))
            answers |= self.gathering.meet(name, meet, self.present, self.now_ns)
        return answers

    def lose(self, name: str) -> dict[str, ToWorker]:
        """A process is lost."""
        self.present.remove(name)
        return self.gathering.lose(name, "killed", self.present, self.now_ns)

    def begin(self) -> None:
        """All come, get their shares and start."""
        self.meet("join")
        self.meet("ready")


def test_all_are_seated_when_the_last_has_come():
    """Nobody gets a share before everybody has come; then each gets one, the first leads."""
    fleet = Fleet(3)
    assert fleet.meet("join", "gw1", "gw0") == {}
    assert fleet.meet("join", "gw2") == {f"gw{i}": Shard(i, 3, 0) for i in range(3)}


@given(count=st.integers(1, 60), cores=st.integers(1, 64), users=st.integers(1, 100))
def test_shares_are_exactly_those_of_one_schedule(count: int, cores: int, users: int):
    """As many processes as cores and users allow get shares 0..n-1 of n; the others get none."""
    seats = Fleet(count, cores).meet("join", at_most=users)
    active = min(count, cores, users)
    assert sorted(s.index for s in seats.values() if s.index is not None) == list(range(active))
    assert {(seat.of, seat.idle) for seat in seats.values()} == {(active, count - active)}


def test_stages_begin_at_one_instant():
    """The processes that have a share start, read back and end together, at one instant each."""
    fleet = Fleet(2)
    fleet.meet("join")
    for stage in ("ready", "played", "rested"):
        assert fleet.meet(stage, "gw1") == {}
        answers = fleet.meet(stage, "gw0")
        assert answers.keys() == {"gw0", "gw1"}
        assert isinstance(answers["gw0"], Proceed)
        assert answers["gw0"] == answers["gw1"]
    answers = fleet.meet("end")
    assert isinstance(answers["gw0"], MergedReports)
    assert isinstance(answers["gw1"], Proceed)


def test_idle_processes_are_not_waited_for():
    """A process without a share leaves at once and holds nobody up."""
    fleet = Fleet(3, cores=2)
    fleet.meet("join")
    assert fleet.gathering.leave("gw2", None, fleet.present, 0) == {}
    assert fleet.meet("ready", "gw0", "gw1").keys() == {"gw0", "gw1"}


def test_failed_setup_breaks_it_for_all():
    """A log-in that fails in one process is told to all that wait, with its name."""
    fleet = Fleet(3)
    fleet.meet("join")
    fleet.meet("ready", "gw0", "gw1")
    answers = fleet.gathering.fail("gw2", "no such user")
    assert answers["gw0"] == answers["gw1"] == Aborted("gw2: no such user")


def test_lost_follower_is_counted_and_the_rest_go_on():
    """A follower lost in mid-run is named, with what it may have measured since its report."""
    fleet = Fleet(3)
    fleet.begin()
    for second in (1, 2, 3):
        fleet.gathering.report("gw1", report("gw1", second, 100 * second))
    fleet.now_ns = 3_500_000_000
    assert fleet.lose("gw1") == {}
    assert fleet.meet("played", "gw0", "gw2").keys() == {"gw0", "gw2"}
    merged = fleet.meet("end", "gw0", "gw2")["gw0"]
    (lost,) = merged.lost
    assert (lost.process, lost.samples_at_most) == ("gw1", 50)
    assert {each.process: each.requests for each in merged.reports}["gw1"] == 300


def test_last_one_missing_is_lost():
    """When the process all wait for is lost, the others go on."""
    fleet = Fleet(3)
    fleet.begin()
    assert fleet.meet("played", "gw0", "gw1") == {}
    assert fleet.lose("gw2").keys() == {"gw0", "gw1"}


def test_lost_leader_ends_it():
    """Without its leader a load ends: players are called off, all they have measured is kept."""
    fleet = Fleet(2)
    fleet.begin()
    fleet.gathering.report("gw0", report("gw0", 1, 50))
    fleet.gathering.report("gw1", report("gw1", 1, 70))
    assert fleet.lose("gw0") == {"gw1": Abort()}
    last = Barrier(TEST, "played", report=report("gw1", 1.2, 90))
    assert isinstance(fleet.gathering.meet("gw1", last, fleet.present, 0)["gw1"], Aborted)
    assert "gw0, which led" in (fleet.gathering.broken or "")
    assert sum(each.requests for each in fleet.gathering.merged().reports) == 50 + 90


def test_lost_after_a_load_was_called_off():
    """Who is lost before it has told what it measured last is named; who has told it is not."""
    fleet = Fleet(3)
    fleet.begin()
    for second in (1, 2):
        fleet.gathering.report("gw2", report("gw2", second, 100 * second))
    fleet.gathering.cancel("interrupted")
    fleet.now_ns = 2_500_000_000
    fleet.meet("played", "gw0", "gw1")
    for name in ("gw0", "gw1", "gw2"):
        assert fleet.lose(name) == {}
    (lost,) = fleet.gathering.merged().lost
    assert (lost.process, lost.samples_at_most) == ("gw2", 50)


def test_lost_before_the_start_breaks_it():
    """A process lost before the load began leaves a share nobody would send: there is no load."""
    fleet = Fleet(2)
    fleet.meet("join")
    fleet.meet("ready", "gw0")
    assert isinstance(fleet.lose("gw1")["gw0"], Aborted)


def test_latecomer_has_no_share():
    """A process that replaces a lost one joins no load that is under way."""
    fleet = Fleet(2)
    fleet.begin()
    assert fleet.meet("join", "gw9") == {"gw9": Shard(None, 2, 0)}


def test_leaving_in_the_middle_breaks_it():
    """A process that leaves a test in the middle of its load (its body raised) ends the load."""
    fleet = Fleet(2)
    fleet.begin()
    fleet.meet("played", "gw0")
    answers = fleet.gathering.leave("gw1", None, fleet.present, 0)
    assert isinstance(answers["gw0"], Aborted)


@given(data=st.data(), count=st.integers(1, 5))
def test_nobody_waits_for_ever(data: st.DataObject, count: int):
    """Whatever order processes come, are lost or fail in: in the end nobody is left waiting."""
    fleet = Fleet(count, cores=data.draw(st.integers(1, 5)))
    stages: dict[str, list[Stage]] = {
        n: ["join", "ready", "played", "rested", "end"] for n in fleet.present
    }
    waiting: set[str] = set()

    def answered(answers: dict[str, ToWorker]) -> None:
        for name, answer in answers.items():
            waiting.discard(name)
            if isinstance(answer, Aborted) or (isinstance(answer, Shard) and answer.index is None):
                stages[name] = []

    while movable := [n for n in fleet.present if n not in waiting]:
        name = data.draw(st.sampled_from(movable))
        action = data.draw(st.sampled_from(["meet", "meet", "meet", "lose", "fail"]))
        if action == "lose":
            waiting.discard(name)
            answered(fleet.lose(name))
        elif not stages[name]:
            answered(fleet.gathering.leave(name, None, fleet.present, 0))
            fleet.present.remove(name)
        elif action == "fail" and fleet.gathering.seats(name):
            answered(fleet.gathering.fail(name, "broken"))
            stages[name] = []
        else:
            stage = stages[name].pop(0)
            waiting.add(name)
            answered(fleet.meet(stage, name))
    assert not waiting


def test_exactly_one_process_reports():
    """Of all processes one reports a test: the leader, or the first to leave when there is none."""
    seated = Fleet(3)
    seated.begin()
    for name in ("gw2", "gw0", "gw1"):
        seated.gathering.leave(name, None, seated.present, 0)
    assert seated.gathering.reporter == "gw0"
    skipped = Fleet(3)
    for name in ("gw2", "gw0", "gw1"):
        skipped.gathering.leave(name, None, skipped.present, 0)
    assert skipped.gathering.reporter == "gw2"


@pytest.mark.parametrize("names", list(itertools.permutations(["gw2", "gw10", "gw1"])))
def test_processes_are_in_order_of_their_numbers(names: tuple[str, ...]):
    """gw2 comes before gw10."""
    assert sorted(names, key=worker_number) == ["gw1", "gw2", "gw10"]
