"""A Locust master and workers that are started one by one, as on several machines."""

import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from locust_project import READER, Project, counts, master_at, reasons, wait_for_exit, workers
from straingauge.target.ports import free_port
from straingauge.target.service_locator import refused

pytestmark = pytest.mark.e2e

pytest_plugins = ["locust_project"]

USERS = """
import account_journeys

class Reader(JourneyUser):
    wait_time = constant(0.02)
    account = account_journeys.account

    @task
    def hello(self):
        self.client.get(f"/{self.journey_user.index}")
"""
JOURNEYS = "def account(index): return {}\n"


def test_late_workers_and_workers_with_other_files(locust_folder: Project, tmp_path: Path):
    """A worker with other files is refused, and a late one joins; the result notes both.

    No two users have the same number, although the number of workers was not given.
    """
    locust_folder.write("account_journeys.py", JOURNEYS)
    port = free_port()
    master = locust_folder.start(USERS, "--master", *master_at(port))
    other = shutil.copytree(tmp_path, tmp_path / "other")
    (other / "account_journeys.py").write_text(JOURNEYS + "# and more\n")
    refused = wait_for_exit(locust_folder.worker(other, port))
    assert refused.code == 2, refused.output
    lines = [line for line in refused.output.splitlines() if "refused this worker" in line]
    assert len(lines) == 1, refused.output
    assert "in account_journeys" in lines[0]
    assert "Traceback" not in refused.output
    assert not locust_folder.served()
    first = locust_folder.worker(tmp_path, port)
    locust_folder.wait(master, lambda served: served.total() > 100)
    late = locust_folder.worker(tmp_path, port)
    locust_folder.wait(master, lambda served: sum(count > 10 for count in served.values()) > 4)
    master.send_signal(signal.SIGTERM)
    exit_ = wait_for_exit(master)
    assert exit_.code == 0, exit_.output
    assert (wait_for_exit(first).code, wait_for_exit(late).code) == (0, 0)
    result = locust_folder.result()
    assert result["metrics"]["total_requests"] == locust_folder.served().total()
    assert "its load test differs from the master's" in reasons(result)["refused_worker"]
    assert "after the start" in reasons(result)["worker_joined_or_left"]
    connected_s = [
        each["connected_s"] for each in result["resources"]["generator"]["workers"].values()
    ]
    assert max(connected_s[0], 1) < connected_s[1]


def test_a_worker_without_files(locust_folder: Project, tmp_path: Path):
    """With `-f -` a worker gets its locustfile from its master, whatever it is called there."""
    port, empty = free_port(), tmp_path / "empty"
    empty.mkdir()
    master = locust_folder.start(READER, "--master", *master_at(port), "--expect-workers", "1")
    worker = locust_folder.worker(empty, port, "-f", "-")
    locust_folder.wait(master, lambda served: served.total() > 10)
    master.send_signal(signal.SIGTERM)
    exit_ = wait_for_exit(master)
    assert (wait_for_exit(worker).code, exit_.code) == (0, 0), exit_.output
    assert locust_folder.result()["metrics"]["total_requests"] == locust_folder.served().total()


def test_silent_master_gets_the_final_reports(locust_folder: Project):
    """A master that was not heard from for seconds, as on a busy machine, merges all reports."""
    deaf = """
from straingauge.locust.distributed.worker import WorkerRole
WorkerRole.record_heartbeat = lambda self: None
"""
    exit_ = locust_folder.run(deaf + READER, "--run-time", "6s", *workers(2))
    assert exit_.code == 0, exit_.output
    assert counts(locust_folder.result()) == locust_folder.served()


def test_final_report_that_is_not_acknowledged_is_saved(locust_folder: Project):
    """A worker writes what it measured if its master does not acknowledge the final report."""
    mute = """
from straingauge.locust.distributed import master
master.FINAL_REPORT_S = 15.0
master.MasterRole._on_final_report = lambda self, msg, **_: None
"""
    options = ["--run-time", "2s", "--stop-timeout", "1", *workers(2)]
    exit_ = locust_folder.run(mute + READER, *options)
    assert exit_.code == 4, exit_.output
    files = sorted((locust_folder.path / "results").glob("metrics_worker*.json"))
    parts = [json.loads(file.read_text()) for file in files]
    assert len(parts) == 2
    assert counts(parts[0]) + counts(parts[1]) == locust_folder.served()
    assert "did not acknowledge the final report" in reasons(parts[0])["interrupted"]


def test_second_master_on_a_port(locust_folder: Project):
    """A second master on a port prints one line and ends; the first goes on."""
    port = free_port()
    first = locust_folder.start(READER, "--master", *master_at(port))
    while refused(f"http://127.0.0.1:{port}"):
        assert first.poll() is None, wait_for_exit(first).output
        time.sleep(0.02)
    second = locust_folder.run(READER, "--master", *master_at(port))
    assert second.code == 1, second.output
    assert second.output.count("cannot start a Locust master") == 1
    assert first.poll() is None
    first.terminate()
    assert "Traceback" not in wait_for_exit(first).output + second.output
