"""Hosts of Locust runs: base paths, several classes, and users of other protocols."""

import sys

import pytest
from locust_project import READER, Project

pytest_plugins = ["locust_project"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="Locust starts as a fork"),
]

TWO_HOSTS = """
class Items(JourneyUser):
    host = "URL/status/"
    wait_time = constant(0.02)

    @task
    def item(self):
        self.client.get("/200")

class Reader(JourneyUser):
    host = "URL"
    wait_time = constant(0.02)

    @task
    def plain(self):
        self.client.get("/plain")
"""

FOREIGN = """
from locust import User, events

class Caller(User):
    HOST
    wait_time = constant(0.02)

    @task
    def call(self):
        events.request.fire(request_type="RPC", name="call", response_time=1.0, response_length=0)
"""


def test_classes_have_their_own_hosts_and_base_paths(locust_folder: Project):
    """Each class sends to its own host, with the base path before its paths."""
    users = TWO_HOSTS.replace("URL", locust_folder.url)
    exit_ = locust_folder.run_until(
        lambda served: served["GET /status/200"] > 5 and served["GET /plain"] > 5,
        users,
        with_host=False,
    )
    assert exit_.code == 0, exit_.output
    assert set(locust_folder.served()) == {"GET /status/200", "GET /plain"}


def test_base_path_of_the_host_option(locust_folder: Project):
    """A base path in --host is the prefix of all paths of plain calls."""
    users = READER.replace('"/plain"', '"/200"').replace("self.run_journey(hello)", "pass")
    exit_ = locust_folder.run_until(
        lambda served: served["GET /status/200"] > 5, users, "--host", f"{locust_folder.url}/status"
    )
    assert exit_.code == 0, exit_.output
    assert set(locust_folder.served()) == {"GET /status/200"}


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("localhost:8000", "'localhost:8000' is no URL to load"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://127.0.0.1:8000/?key=1", "a host has no query"),
    ],
)
def test_a_wrong_host_is_refused(locust_folder: Project, host: str, message: str):
    """A host that is no HTTP URL ends Locust with one message and exit code 2."""
    exit_ = locust_folder.run(READER, "--run-time", "60s", "--host", host)
    assert (exit_.code, message in exit_.output, "Traceback" in exit_.output) == (2, True, False)


def test_a_class_without_a_host_is_refused(locust_folder: Project):
    """If one class has no host, no request is sent."""
    users = TWO_HOSTS.replace('    host = "URL"\n', "").replace("URL", locust_folder.url)
    exit_ = locust_folder.run(users, "--run-time", "60s", with_host=False)
    assert exit_.code == 2, exit_.output
    assert "no host given for Reader" in exit_.output
    assert not locust_folder.served()


@pytest.mark.parametrize("host", ["pass", 'host = "a label"'])
def test_users_of_other_protocols_need_no_url(locust_folder: Project, host: str):
    """Users of other protocols run with any host, or none."""
    users = FOREIGN.replace("HOST", host)
    exit_ = locust_folder.run(users, "--run-time", "1s", with_host=False)
    assert exit_.code == 0, exit_.output
    assert locust_folder.result()["endpoints"]["RPC call"]["total_requests"] > 0


def test_users_of_other_protocols_load_this_machine_only(locust_folder: Project):
    """A host of another protocol that is another machine is refused like any other."""
    users = FOREIGN.replace("HOST", 'host = "grpc://192.0.2.1:50051"')
    exit_ = locust_folder.run(users, "--run-time", "60s", with_host=False)
    assert (exit_.code, "--allow-host 192.0.2.1" in exit_.output) == (2, True)
