"""Due times of task runs, by wait times and by load shapes, in real Locust processes."""

import json
from typing import Any

import numpy as np
import pytest
from counting_service import counting_service
from locust_runs import Run, locust

pytestmark = pytest.mark.e2e

INTERVAL_NS = 50_000_000
STALL_S = 0.3

WAITS = f"""
import json
from collections import defaultdict
from time import monotonic_ns
from gevent import sleep, spawn
from locust import TaskSet, between, constant_pacing, constant_throughput, events, poisson, task
from straingauge.locust import JourneyUser, constant_pacing as ours, synchronized

notes = defaultdict(list)

class Noting(JourneyUser):
    abstract = True
    fixed_count = 1

    def note(self, stall=False):
        own = notes[type(self).__name__]
        own.append([self.started_ns, self.due_ns, monotonic_ns()])
        self.due_ns = None  # as its first request would
        if stall and len(own) == 3:
            sleep({STALL_S})
        if min(map(len, notes.values())) >= 12 and len(notes) == 9:
            spawn(self.environment.runner.quit)

class Pacing(Noting):
    wait_time = constant_pacing(0.05)
    @task
    def run_once(self):
        self.note(stall=True)

class Throughput(Noting):
    wait_time = constant_throughput(20)
    @task
    def run_once(self):
        self.note(stall=True)

class StayingLate(Noting):
    wait_time = ours(0.05, catch_up=False)
    @task
    def run_once(self):
        self.note(stall=True)

class Nested(Noting):
    @task
    class Inner(TaskSet):
        wait_time = constant_pacing(0.05)
        @task
        def run_once(self):
            self.user.note()

class Random(Noting):
    wait_time = poisson(50)
    @task
    def run_once(self):
        self.note()

class Thinking(Noting):
    wait_time = between(0.01, 0.02)
    @task
    def run_once(self):
        self.note()

class Wave(Noting):
    wait_time = synchronized(0.1)
    @task
    def run_once(self):
        self.note(stall=True)

class OtherWave(Noting):
    wait_time = synchronized(0.1)
    @task
    def run_once(self):
        self.note()

class SlowStart(Noting):
    wait_time = constant_pacing(0.05)
    def on_start(self):
        sleep({STALL_S})
    @task
    def run_once(self):
        self.note()

@events.quit.add_listener
def keep(**_):
    with open("notes.json", "w") as file:
        json.dump(notes, file)
"""

BREAKING = """
from locust import task
from straingauge.locust import Breakpoint, JourneyUser

class Requesting(JourneyUser):
    @task
    def request(self):
        self.client.get("/status/503")

class Shape(Breakpoint):
    from_per_s, to_per_s, duration_s = 50, 5000, 600
    users = 5
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """A run of users that note their due times, and one with a growing rate."""
    path = tmp_path_factory.mktemp("waits")
    with (
        counting_service() as service,
        locust(path / "waits", WAITS, service.url, "--users", "9", "--spawn-rate", "9") as noting,
        locust(path / "breaking", BREAKING, service.url) as breaking,
    ):
        pass
    return noting, breaking


@pytest.fixture(scope="module")
def notes(runs: tuple[Run, Run]) -> dict[str, Any]:
    """Start of the pace, due time and actual start of each user's task runs."""
    found = json.loads((runs[0].path / "notes.json").read_text())
    return {name: list(zip(*rows, strict=True)) for name, rows in found.items()}


@pytest.mark.parametrize("user", ["Pacing", "Throughput", "SlowStart"])
def test_run_n_is_due_n_intervals_after_the_first(notes: dict[str, Any], user: str):
    """With Locust's constant_pacing and constant_throughput no run is skipped or moved."""
    (began_ns, *_), due_ns, ran_ns = notes[user]
    assert due_ns[0] is None
    assert list(due_ns[1:]) == [began_ns + n * INTERVAL_NS for n in range(1, len(due_ns))]
    assert all(ran >= due for ran, due in zip(ran_ns[1:], due_ns[1:], strict=True))


def test_late_user_catches_up(notes: dict[str, Any]):
    """A user that was stalled for 0.3 s makes the runs it missed without waiting."""
    _, due_ns, ran_ns = notes["Pacing"]
    late = [ran_ns[n] - due_ns[n] for n in range(3, 8)]
    assert min(late) > 0
    assert late[0] >= STALL_S * 1e9 - INTERVAL_NS
    assert ran_ns[7] - ran_ns[3] < 4 * INTERVAL_NS + late[4]


def test_late_user_may_stay_late(runs: tuple[Run, Run], notes: dict[str, Any]):
    """Without catch_up a late user starts its pace over, and the runs it missed are dropped.

    It was stalled for 6 intervals: the first run due is made late, and 5 are dropped.
    """
    _, due_ns, ran_ns = notes["StayingLate"]
    assert ran_ns[3] - due_ns[3] >= STALL_S * 1e9 - INTERVAL_NS
    assert due_ns[4] - ran_ns[3] == pytest.approx(INTERVAL_NS, abs=INTERVAL_NS / 5)
    (process,) = runs[0].processes.values()
    assert process["dropped"] >= 5
    assert process["queued"] >= 3  # in each of the users that were stalled


def test_pace_of_a_task_set(notes: dict[str, Any]):
    """A task set of a user keeps its pace as well."""
    due_ns = notes["Nested"][1]
    assert set(np.diff(due_ns[1:])) == {INTERVAL_NS}


def test_random_pace(notes: dict[str, Any]):
    """With Locust's poisson each run is due a random time after the last."""
    intervals = np.diff(notes["Random"][1][1:])
    assert (intervals > 0).all()
    assert len(set(intervals)) == len(intervals)


def test_synchronized_users_run_at_the_same_times(notes: dict[str, Any]):
    """Synchronized users are due at the same times; a stalled one joins again later."""
    (_, one_ns, _), (_, other_ns, _) = notes["Wave"], notes["OtherWave"]
    intervals = np.diff(other_ns[1:]) / 1e8
    assert np.abs(intervals - intervals.round()).max() < 0.2
    assert (intervals.round() >= 1).all()
    times = np.array(other_ns[1:])
    apart = [np.abs(times - due).min() for due in one_ns[1:] if due <= times.max()]
    assert max(apart) < 0.2 * 1e8
    assert np.diff(one_ns[1:]).max() >= 2.8e8


def test_think_time_has_no_due_times(notes: dict[str, Any]):
    """After a think time no run is due at a given time."""
    assert set(notes["Thinking"][1]) == {None}


def test_breakpoint_ends_when_a_limit_is_exceeded(runs: tuple[Run, Run]):
    """The growing rate ends when 5 % fail, and log and result give the rate."""
    _, run = runs
    assert "arrivals stopped: 100.0 % errors (limit 5 %) at " in run.output
    shape = run.result["configuration"]["shape"]
    assert shape["limit_exceeded"].startswith("100.0 % errors (limit 5 %) at ")
    assert shape["users"] == 5
    assert run.code == 1
