"""Tags, and the ways in which Locust's task sets end, in real runs."""

import sys

import pytest
from locust_project import Project

pytest_plugins = ["locust_project"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="Locust starts as a fork"),
]

NESTED = """
from locust import SequentialTaskSet, TaskSet
from locust.exception import InterruptTaskSet, RescheduleTask, StopUser

class Outer(JourneyUser):
    wait_time = constant(0.01)

    @task
    class Forum(TaskSet):
        @task
        @tag("read")
        class Thread(SequentialTaskSet):
            @task
            def first(self):
                self.client.get("/first")

            @task
            def leave(self):
                self.client.get("/leave")
                self.interrupt()

        @task
        @tag("write")
        def write(self):
            self.client.get("/write")
            raise RescheduleTask

        @task
        def leave(self):
            self.interrupt(reschedule=False)
"""

FLAT = """
class Flat(JourneyUser):
    wait_time = constant(0.01)

    @task
    @tag("flat")
    def flat(self):
        self.client.get("/flat")
"""


@pytest.mark.parametrize(
    ("options", "paths"),
    [
        (["--tags", "read"], {"/first", "/leave"}),
        (["--tags", "write", "flat"], {"/write", "/flat"}),
        (["--exclude-tags", "read", "flat"], {"/write"}),
        ([], {"/first", "/leave", "/write", "/flat"}),
    ],
)
def test_tags_of_nested_task_sets(locust_folder: Project, options: list[str], paths: set[str]):
    """Tags select tasks at any depth; interrupted and rescheduled tasks are no errors."""
    expected = {f"GET {path}" for path in paths}
    exit_ = locust_folder.run_until(lambda served: expected <= set(served), NESTED + FLAT, *options)
    assert exit_.code == 0, exit_.output
    assert set(locust_folder.served()) == expected
    result = locust_folder.result()
    assert set(result["endpoints"]) == expected
    assert result["errors"]["kinds"] == {}


@pytest.mark.parametrize(
    ("users", "options", "message"),
    [
        (NESTED, ["-T", "raed"], "known tags: read, write"),
        (FLAT, ["-E", "flat"], "no task is left for --exclude-tags flat"),
        ("class Idle(JourneyUser):\n    pass", [], "no task to run in Idle"),
    ],
)
def test_no_task_left(locust_folder: Project, users: str, options: list[str], message: str):
    """If no task is left, one message says why, and which tags there are."""
    exit_ = locust_folder.run(users, "--run-time", "60s", *options)
    assert (exit_.code, message in exit_.output) == (2, True), exit_.output


def test_a_user_that_stops_itself_is_no_error(locust_folder: Project):
    """StopUser ends one user; the run goes on and counts what it sent."""
    users = NESTED.replace("raise RescheduleTask", "raise StopUser")
    exit_ = locust_folder.run(users, "--run-time", "1s", "--tags", "write")
    assert exit_.code == 0, exit_.output
    assert locust_folder.result()["endpoints"]["GET /write"]["total_requests"] == 4
