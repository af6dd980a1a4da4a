"""Due times of task runs, by wait times and by load shapes, in real Locust processes."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from counting_service import counting_service
from locust_runs import Run, locust
from straingauge.histogram import bucket_edges_ns, bucket_of

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

PARTS = """
import json, sys
from locust import constant_pacing
from straingauge.errors import UsageError
from straingauge.locust import Breakpoint, Constant, RateStages, Soak, Spike, Steps, UserStages
from straingauge import constant, constant_users, mix, scenario
from straingauge.locust import scenario_users, stats_buckets
from straingauge.locust.user import wait_time

def error_of(function):
    try:
        function()
    except UsageError as error:
        return str(error)

class NoRate(Constant):
    duration_s = 5

class Backwards(Steps):
    rates = [(5, 10), (5, -1)]

class Rising(Soak):
    rate_per_s, duration_s, ramp_s = 30, 60, 10

class Rush(Spike):
    base_per_s, spike_per_s, at_s, lasts_s, duration_s = 1, 50, 5, 5, 20

class Chance(Constant):
    rate_per_s, duration_s, poisson = 5, 10, True

class Climb(RateStages):
    stages = ["10s:40/s", "5s:40/s"]

class Crowd(UserStages):
    stages = ["10s:4", "5s:4", "10s:0"]

class NoUnit(RateStages):
    stages = ["10s:4"]

class Unit(UserStages):
    stages = ["10s:4/s"]

def look(user):
    yield user.get("/")

def buy(user):
    yield user.get("/")

def closed(name, **arguments):
    own = {"count": 3, "duration_s": 9, **arguments}
    start_s = own.pop("start_s", 0.0)
    schedule = constant_users(**own)
    return scenario(name, mix((look, 3), buy), schedule, start_s=start_s, tags=["read"])

classes = scenario_users([closed("browse all", think_s=(1, 2)), closed("order", count=1)])
late = [closed("late", start_s=2.0)]
uneven = [closed("a"), closed("b", duration_s=8)]
rated = [scenario("rated", look, constant(rate_per_s=5, duration_s=9))]

def users_of(shape):
    ticks = []
    for second in range(26):
        shape.get_run_time = lambda: second
        ticks.append(shape.tick())
    return ticks

times_ms = json.load(sys.stdin)
json.dump({
    "buckets": [stats_buckets.round_to_bucket(ms) for ms in times_ms],
    "printed": ["%d" % stats_buckets.round_to_bucket(ms) for ms in times_ms],
    "errors": [error_of(each) for each in (
        NoRate().check,
        Backwards().check,
        lambda: wait_time.constant_pacing(0),
        lambda: wait_time.constant_throughput(-1),
        lambda: wait_time.poisson(float("inf")),
        lambda: wait_time.synchronized(0),
        NoUnit().check,
        lambda: Unit().schedule,
        lambda: scenario_users(rated),
        lambda: scenario_users(late),
        lambda: scenario_users(uneven),
    )],
    "classes": {
        name: [
            each.__name__, each.weight, len(each.tasks), sorted(each.tasks[0].locust_tag_set),
            1 <= each.wait_time(None) <= 2,
        ]
        for name, each in classes.items()
    },
    "shapes": [each.configuration for each in (Rising(), Rush(), Chance(), Climb())],
    "crowd": users_of(Crowd()),
}, sys.stdout)
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


@pytest.fixture(scope="module")
def parts() -> dict[str, Any]:
    """Return values of pure functions, in a process that Locust has patched."""
    done = subprocess.run(
        [sys.executable, "-c", PARTS],
        input=json.dumps([ns / 1e6 for ns in TIMES_NS.tolist()]),
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


TIMES_NS = np.geomspace(513, 3.5e12, 5000).astype(np.int64)


@pytest.mark.e2e
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


@pytest.mark.e2e
def test_locust_counts_in_the_buckets_of_the_histogram(parts: dict[str, Any]):
    """Response times on Locust's page are the middles of the result's buckets."""
    low_ns, high_ns = bucket_edges_ns(bucket_of(TIMES_NS)), bucket_edges_ns(bucket_of(TIMES_NS) + 1)
    middle_ms = (low_ns + high_ns) / 2e6
    assert parts["buckets"] == pytest.approx(middle_ms.tolist(), rel=1e-9)
    assert [int(each) for each in parts["printed"]] == [round(ms) for ms in parts["buckets"]]
    assert len(set(parts["buckets"])) <= 128 * np.log2(TIMES_NS[-1] / TIMES_NS[0]) + 1


def test_invalid_arguments_are_errors(parts: dict[str, Any]):
    """An invalid shape or wait time is a usage error that names the argument."""
    assert parts["errors"] == [
        "the shape NoRate has no rate_per_s",
        "duration_s of step 2 must be more than 0, not -1",
        "constant_pacing() needs a number greater than 0, not 0",
        "constant_throughput() needs a number greater than 0, not -1",
        "poisson() needs a number greater than 0, not inf",
        "synchronized() needs a number greater than 0, not 0",
        "the stages 10s:4 are numbers of users",
        "the stages 10s:4/s are arrival rates",
        "scenario rated: Locust runs scenarios with constant_users(count=..., duration_s=...) only,"
        " not Constant",
        "scenario late: Locust starts all user classes together, not after 2 s",
        "Locust ends all user classes together: the scenarios have different durations",
    ]


def test_scenarios_are_user_classes(parts: dict[str, Any]):
    """A scenario of constant users is a class with its weight, journeys, tags and think time."""
    assert parts["classes"] == {
        "browse_all": ["browse_all", 3, 4, ["read"], True],
        "order": ["order", 1, 4, ["read"], False],
    }


def test_shapes_have_enough_users_for_their_peak(parts: dict[str, Any]):
    """By default a shape has as many users as arrivals in its busiest second."""
    assert [shape["users"] for shape in parts["shapes"]] == [30, 50, 10, 40]
    assert [shape["arrivals"][0]["schedule"] for shape in parts["shapes"]] == [
        "ramp",
        "spike",
        "poisson",
        "stages",
    ]


def test_stages_of_users_are_ticks_of_locust(parts: dict[str, Any]):
    """`UserStages` gives Locust the number of users of each second, and then ends the run."""
    ticks = parts["crowd"]
    assert [tick and tick[0] for tick in ticks[:10:2]] == [0, 1, 2, 2, 3]
    assert [tick and tick[0] for tick in ticks[10:]] == [
        *(4, 4, 4, 4, 4),
        *(4, 4, 3, 3, 2, 2, 2, 1, 1, 0),
        None,
    ]
