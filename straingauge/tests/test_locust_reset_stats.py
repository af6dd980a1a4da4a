"""Locust's --reset-stats, which discards what was measured while users were started."""

import csv
import sys

import pytest
from locust_project import Project, reasons, workers

pytest_plugins = ["locust_project"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.serial,  # a master gives up workers that are silent for 3 s
    pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers"),
]

# Of the users of a process, each one after the first is created when the first has failed 5 times,
# so all processes have failures before Locust has started all users, however slow they are.
FAILING_FIRST = """
from gevent.event import Event
from locust import events

spawned = []
failed = []
has_failed = Event()
users = []

@events.spawning_complete.add_listener
def remember(**_):
    spawned.append(True)

class Reader(JourneyUser):
    wait_time = constant(0.05)

    def __init__(self, environment):
        super().__init__(environment)
        if users:
            assert has_failed.wait(50)
        users.append(self)

    @task
    def read(self):
        self.client.get("/plain" if spawned else "/status/500", name="/read")
        failed.append(self)
        if len(failed) == 5:
            has_failed.set()
"""


@pytest.mark.parametrize("processes", [1, 2])
def test_reset_stats_resets_the_result(
    locust_folder: Project, processes: int, monkeypatch: pytest.MonkeyPatch
):
    """Requests before all users have started are in neither Locust's statistics nor the result."""
    monkeypatch.setenv("LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP", "50")
    options = ["--reset-stats", "--csv", "out", "--spawn-rate", "2", *workers(processes)]
    exit_ = locust_folder.run_until(
        lambda served: served["GET /plain"] > 40, FAILING_FIRST, *options
    )
    assert locust_folder.served()["GET /status/500"] > 4
    result = locust_folder.result()
    assert "were reset" in reasons(result)["stats_reset"], exit_.output
    failures = sum(result["errors"]["kinds"].values())
    assert failures < locust_folder.served()["GET /status/500"]
    with (locust_folder.path / "out_stats.csv").open() as file:
        *_, total = csv.DictReader(file)
    if processes == 1:  # else Locust's own statistics have reports sent before the reset
        assert failures == int(total["Failure Count"])
    assert result["metrics"]["total_requests"] < locust_folder.served().total()


def test_without_the_option_nothing_is_reset(locust_folder: Project):
    """Without --reset-stats, each request counts."""
    locust_folder.run_until(lambda served: served["GET /plain"] > 20, FAILING_FIRST)
    result = locust_folder.result()
    assert "stats_reset" not in reasons(result)
    assert result["metrics"]["total_requests"] == locust_folder.served().total()
