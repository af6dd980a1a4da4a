"""How Locust runs with straingauge end, and what they say when they cannot begin."""

import csv
import json
import os
import resource
import sys
from collections import Counter

import psutil
import pytest
from locust_project import READER, Project, both_kinds, end_of, free_port, reasons, workers

pytest_plugins = ["locust_project"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers")

# What each process has sent, by itself: at the end of its run it writes that down.
LOGGING = """
import json, os
from locust import events

sent = [0]

@events.request.add_listener
def count(**_):
    sent[0] += 1

@events.test_stop.add_listener
def write(environment, **_):
    with open(f"sent_{os.getpid()}.json", "w") as file:
        json.dump(sent[0], file)
"""

NO_ACCOUNTS = READER.replace(
    "    @task", '    account = lambda index: open("accounts-that-nobody-has")\n\n    @task', 1
)

EXPIRING = """
def log_in_for_a_while(user):
    yield user.post("/login", json={"password": "correct horse"})
    user.data["left"] = 5

def private(user):
    user.data["left"] -= 1
    yield user.get("/hello" if user.data["left"] >= 0 else "/status/401", name="GET /private")

class Reader(JourneyUser):
    wait_time = constant(0.02)
    log_in = log_in_for_a_while

    @task
    def private(self):
        self.run_journey(private)
"""


def test_killed_worker_beside_one_that_lives(project: Project):
    """Kill -9 of a worker makes the run invalid; of the others nothing is lost, by their logs."""
    given = ["--html", "out/{u}_users.html", "--csv", "out", *workers(3)]
    run = project.start(LOGGING + READER, *given)
    project.wait(run, both_kinds)
    killed = psutil.Process(run.pid).children()[0]
    killed.kill()
    run.terminate()  # stock Locust would write no --html
    ended = end_of(run)
    assert ended.code == 4, ended.output
    result = project.result()
    assert "no heartbeat since" in reasons(result)["lost_worker"]
    processes = result["resources"]["generator"]["processes"]
    recorded = Counter({name.rpartition(" ")[2]: each["sent"] for name, each in processes.items()})
    del recorded[f"{killed.pid})"]
    logged = {
        f"{file.stem.rpartition('_')[2]})": json.loads(file.read_text())
        for file in project.path.glob("sent_*.json")
    }
    assert {pid: sent for pid, sent in logged.items() if sent} == recorded
    assert len(recorded) == 2
    assert "GET" in (project.path / "out" / "4_users.html").read_text()
    with (project.path / "out_stats.csv").open() as file:
        *_, total = csv.DictReader(file)
    assert int(total["Request Count"]) == result["metrics"]["total_requests"]


def test_dead_master_leaves_its_workers_results(project: Project):
    """Workers whose master is killed end by themselves, and each keeps what it measured."""
    run = project.start(READER, *workers(2))
    project.wait(run, both_kinds)
    run.kill()
    output, _ = run.communicate(timeout=180)  # its end is that of the last that writes to it
    said = [
        line for line in output.splitlines() if "the measurements of this worker are saved" in line
    ]
    assert len(said) == 2, output
    files = list((project.path / "results").iterdir())
    assert all(any(str(file) in line for line in said) for file in files)
    results = [json.loads(file.read_text()) for file in files]
    assert sum(each["metrics"]["total_requests"] for each in results) == project.served().total()
    for each in results:
        assert "was lost" in reasons(each)["interrupted"]
        assert each["verdict"]["grade"] == "invalid"


@pytest.mark.parametrize(
    ("users", "given", "code", "said"),
    [
        (READER, ["--host", "http://127.0.0.1:1"], 3, "nothing answers at http://127.0.0.1:1"),
        (READER, ["--host", "http://192.0.2.1"], 2, "--allow-host 192.0.2.1"),
        (NO_ACCOUNTS, [], 2, "account(0) failed: FileNotFoundError"),
    ],
)
def test_what_cannot_begin(project: Project, users: str, given: list[str], code: int, said: str):
    """A host down or not allowed, or no accounts: one message, nothing sent, its exit code."""
    ended = project.run(users, "--run-time", "60s", *given)
    assert ended.code == code, ended.output
    complaints = [
        line for line in ended.output.splitlines() if said in line and "metrics:" not in line
    ]
    assert len(complaints) == 1, ended.output
    assert "Traceback" not in ended.output
    assert not project.served()


def test_full_disk(project: Project):
    """Where no file can be written the error says so, and the verdict is shown all the same."""
    run = project.start(READER, "--html", "page.html")
    project.wait(run, both_kinds)
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (100, 100))
    run.terminate()
    ended = end_of(run)
    assert ended.code == 2, ended.output
    assert "cannot write the result of metrics" in ended.output
    assert "cannot write --html" in ended.output
    assert "load test verdict" in ended.output
    assert "Traceback" not in ended.output
    assert not list((project.path / "results").glob("metrics_*"))


def test_autoquit_ends_a_run_with_a_page(project: Project):
    """With --autoquit a run on the page ends by itself, with result and exit code.

    Its service and database are watched as they are in pytest, and no password is kept.
    """
    watch = ["--database-url", "postgresql://u:hunter2@127.0.0.1:1/none"]
    watch += ["--server-pid", str(os.getpid()), "--cooldown", "1"]
    page = ["--autostart", "--autoquit", "0", "--web-host", "127.0.0.1", "--web-port", free_port()]
    run = project.start(READER, "--run-time", "1s", *page, *watch, headless=False)
    ended = end_of(run)
    assert ended.code == 0, ended.output
    result = project.result()
    assert result["verdict"]["grade"] == "target"
    assert "127.0.0.1" in " ".join(result["resources"]["database"]["unavailable"])
    assert "hunter2" not in json.dumps(result) + ended.output
    assert result["resources"]["service"]["memory"]["initial_mb"] > 0
    assert result["resources"]["cooldown"]["duration_s"] >= 1


def test_expired_token_is_renewed(project: Project):
    """A journey answered 401 in mid-run counts as an error, and its user logs in again."""
    ended = project.run_until(lambda served: served["GET /login"] > 4, EXPIRING)
    assert ended.code == 1, ended.output
    result = project.result()
    private = result["endpoints"]["GET /private"]
    assert private["status_codes"]["401"] > 0
    assert private["status_codes"]["200"] > 4 * 5  # more than the first log-ins were good for


def test_same_complaint_once(project: Project):
    """A task that fails each time is logged once."""
    users = READER.replace("self.run_journey(hello)", 'raise KeyError("oops")')
    ended = project.run_until(lambda served: served["GET /plain"] > 20, users)
    assert ended.output.count("Traceback") == 1, ended.output
    assert project.result()["errors"]["kinds"]["journey_error"] > 1
