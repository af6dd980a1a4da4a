"""Load shapes, scenarios and arguments of Locust users, in a process that Locust has patched."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from straingauge.histogram import bucket_edges_ns, bucket_of

pytestmark = pytest.mark.e2e

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
