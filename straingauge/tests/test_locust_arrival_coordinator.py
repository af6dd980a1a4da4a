"""A Locust master and workers that are started one by one, as on many machines."""

import shutil
import signal
import time
from pathlib import Path

from locust_project import READER, Project, end_of, free_port, master_at, reasons
from straingauge.target.service_locator import refused

pytest_plugins = ["locust_project"]

USERS = """
import journeys_of_mine

class Reader(JourneyUser):
    wait_time = constant(0.02)
    account = journeys_of_mine.account

    @task
    def hello(self):
        self.client.get(f"/{self.journey_user.index}")
"""
JOURNEYS = "def account(index): return {}\n"


def test_workers_that_come_late_or_with_other_files(project: Project, tmp_path: Path):
    """Who has other files is refused, who comes late joins; the result names them, and all count.

    No two users have one number, though nobody said how many workers there would be.
    """
    project.write("journeys_of_mine.py", JOURNEYS)
    port = free_port()
    master = project.start(USERS, "--master", *master_at(port))
    other = shutil.copytree(tmp_path, tmp_path / "other")
    (other / "journeys_of_mine.py").write_text(JOURNEYS + "# and more\n")
    refused = end_of(project.worker(other, port))
    assert refused.code == 2, refused.output
    said = [line for line in refused.output.splitlines() if "refused this worker" in line]
    assert len(said) == 1, refused.output
    assert "in journeys_of_mine" in said[0]
    assert "Traceback" not in refused.output
    assert not project.served()
    first = project.worker(tmp_path, port)
    project.wait(master, lambda served: served.total() > 100)
    late = project.worker(tmp_path, port)
    project.wait(master, lambda served: sum(count > 10 for count in served.values()) > 4)
    master.send_signal(signal.SIGTERM)
    ended = end_of(master)
    assert ended.code == 0, ended.output
    assert (end_of(first).code, end_of(late).code) == (0, 0)
    result = project.result()
    assert result["metrics"]["total_requests"] == project.served().total()
    assert "its load test differs from the master's" in reasons(result)["refused_worker"]
    assert "after the start" in reasons(result)["worker_joined_or_left"]
    connected_s = [
        each["connected_s"] for each in result["resources"]["generator"]["workers"].values()
    ]
    assert max(connected_s[0], 1) < connected_s[1]


def test_second_master_on_a_port(project: Project):
    """A second master on a port says so in one line and ends; the first goes on."""
    port = free_port()
    first = project.start(READER, "--master", *master_at(port))
    while refused(f"http://127.0.0.1:{port}"):
        assert first.poll() is None, end_of(first).output
        time.sleep(0.02)
    second = project.run(READER, "--master", *master_at(port))
    assert second.code == 1, second.output
    assert second.output.count("cannot start a Locust master") == 1
    assert first.poll() is None
    first.terminate()
    assert "Traceback" not in end_of(first).output + second.output
