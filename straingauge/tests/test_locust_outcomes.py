"""Ends of Locust runs, and messages of runs that cannot start."""

import csv
import json
import os
import resource
import socket
import sys
from collections import Counter

import pytest
from locust_project import (
    READER,
    Project,
    has_both_kinds,
    reasons,
    wait_for_exit,
    worker_processes,
    workers,
)
from straingauge.target.ports import free_port

pytest_plugins = ["locust_project"]

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers"),
]

# Each process counts its requests, and writes a file after the first, and one with their number at
# the end of the run.
LOGGING = """
import json, os
from locust import events

sent = [0]

@events.request.add_listener
def count(**_):
    sent[0] += 1
    if sent[0] == 1:
        open(f"began_{os.getpid()}", "w").close()

@events.test_stop.add_listener
def write(environment, **_):
    with open(f"sent_{os.getpid()}.json", "w") as file:
        json.dump(sent[0], file)
"""

NO_ACCOUNTS = READER.replace(
    "    @task", '    account = lambda index: open("missing-accounts")\n\n    @task', 1
)

EXPIRING = """
def log_in_briefly(user):
    yield user.post("/login", json={"password": "correct horse"})
    user.data["left"] = 5

def private(user):
    user.data["left"] -= 1
    yield user.get("/hello" if user.data["left"] >= 0 else "/status/401", name="GET /private")

class Reader(JourneyUser):
    wait_time = constant(0.02)
    log_in = log_in_briefly

    @task
    def private(self):
        self.run_journey(private)
"""


SLOW_TO_JUDGE = """
import gevent
from straingauge.locust.evaluation import LiveEvaluator

finish = LiveEvaluator.finish

def finish_late(self, *given, **named):
    gevent.sleep(1.5)
    return finish(self, *given, **named)

LiveEvaluator.finish = finish_late
"""


def test_killed_worker_loses_nothing_of_the_others(locust_folder: Project):
    """SIGKILL of a worker makes the run invalid; the other workers' requests are all recorded."""
    options = ["--html", "out/{u}_users.html", "--csv", "out", *workers(3)]
    run = locust_folder.start(LOGGING + READER, *options)

    def all_have_sent(served: Counter[str]) -> bool:
        return has_both_kinds(served) and len(list(locust_folder.path.glob("began_*"))) == 3

    locust_folder.wait(run, all_have_sent)
    killed = worker_processes(run)[0]
    killed.kill()
    run.terminate()  # stock Locust would write no --html
    exit_ = wait_for_exit(run)
    assert exit_.code == 4, exit_.output
    result = locust_folder.result()
    assert "no heartbeat since" in reasons(result)["lost_worker"]
    processes = result["resources"]["generator"]["processes"]
    recorded = Counter({name.rpartition(" ")[2]: each["sent"] for name, each in processes.items()})
    del recorded[f"{killed.pid})"]
    logged = {
        f"{file.stem.rpartition('_')[2]})": json.loads(file.read_text())
        for file in locust_folder.path.glob("sent_*.json")
    }
    assert {pid: sent for pid, sent in logged.items() if sent} == +recorded
    assert len(recorded) == 2
    assert "GET" in (locust_folder.path / "out" / "4_users.html").read_text()
    with (locust_folder.path / "out_stats.csv").open() as file:
        *_, total = csv.DictReader(file)
    assert int(total["Request Count"]) == result["metrics"]["total_requests"]


def test_run_that_loses_all_its_workers_is_invalid(locust_folder: Project):
    """However long the master takes to judge the run, it writes the result and exits with 4."""
    run = locust_folder.start(READER + SLOW_TO_JUDGE, *workers(2))
    locust_folder.wait(run, has_both_kinds)
    for worker in worker_processes(run):
        worker.kill()
    exit_ = wait_for_exit(run)
    assert exit_.code == 4, exit_.output
    found = reasons(locust_folder.result())
    assert "all its workers were lost" in found["interrupted"]
    assert "no heartbeat since" in found["lost_worker"]


def test_killed_master_leaves_its_workers_results(locust_folder: Project):
    """Workers whose master is killed end, and each saves what it measured."""
    run = locust_folder.start(READER, *workers(2))
    locust_folder.wait(run, has_both_kinds)
    run.kill()
    output, _ = run.communicate(timeout=180)  # ends when the last worker closes it
    lines = [
        line for line in output.splitlines() if "the measurements of this worker are saved" in line
    ]
    assert len(lines) == 2, output
    files = list((locust_folder.path / "results").glob("metrics_worker*"))
    assert len(files) == 2
    assert all(any(str(file) in line for line in lines) for file in files)
    results = [json.loads(file.read_text()) for file in files]
    assert (
        sum(each["metrics"]["total_requests"] for each in results) == locust_folder.served().total()
    )
    for each in results:
        assert "was lost" in reasons(each)["interrupted"]
        assert each["verdict"]["grade"] == "invalid"


@pytest.mark.parametrize(
    ("users", "options", "code", "message"),
    [
        (READER, ["--host", "http://127.0.0.1:1"], 3, "nothing responds at http://127.0.0.1:1"),
        (READER, ["--host", "http://192.0.2.1"], 2, "--allow-host 192.0.2.1"),
        (NO_ACCOUNTS, [], 2, "account(0) failed: FileNotFoundError"),
    ],
)
def test_runs_that_cannot_start(
    locust_folder: Project, users: str, options: list[str], code: int, message: str
):
    """An unreachable or forbidden host, or missing accounts: one message and the exit code."""
    exit_ = locust_folder.run(users, "--run-time", "60s", *options)
    assert exit_.code == code, exit_.output
    complaints = [
        line for line in exit_.output.splitlines() if message in line and "metrics:" not in line
    ]
    assert len(complaints) == 1, exit_.output
    assert "Traceback" not in exit_.output
    assert not locust_folder.served()


def test_full_disk(locust_folder: Project):
    """If no file can be written, an error is printed, and the verdict as well."""
    run = locust_folder.start(READER, "--html", "page.html")
    locust_folder.wait(run, has_both_kinds)
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (100, 100))
    run.terminate()
    exit_ = wait_for_exit(run)
    assert exit_.code == 2, exit_.output
    assert "cannot write the result of metrics" in exit_.output
    assert "cannot write --html" in exit_.output
    assert "load test verdict" in exit_.output
    assert "Traceback" not in exit_.output
    assert not list((locust_folder.path / "results").glob("metrics_*"))


def test_autoquit_ends_a_run_with_a_page(locust_folder: Project):
    """With --autoquit a run with the page ends by itself, with result and exit code.

    Service and database are observed, and the password of the database is not saved.
    """
    observe = ["--database-url", "postgresql://u:hunter2@127.0.0.1:1/none"]
    observe += ["--server-pid", str(os.getpid()), "--cooldown", "1"]
    page = ["--autostart", "--autoquit", "0", "--web-host", "127.0.0.1"]
    page += ["--web-port", str(free_port())]
    run = locust_folder.start(READER, "--run-time", "4s", *page, *observe, headless=False)
    exit_ = wait_for_exit(run)
    assert exit_.code == 0, exit_.output
    assert "load test verdict" in exit_.output, exit_.output
    result = locust_folder.result()
    assert result["verdict"]["grade"] == "not_judged"
    assert "127.0.0.1" in " ".join(result["resources"]["database"]["unavailable"])
    assert "hunter2" not in json.dumps(result) + exit_.output
    assert result["resources"]["service"]["memory"]["initial_mb"] > 0
    assert result["resources"]["cooldown"]["duration_s"] >= 1


def test_run_that_is_over_before_it_starts(locust_folder: Project):
    """A run whose time is over while the service is observed at first has a result: invalid."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # a database that never answers
        database = f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/none"
        run = locust_folder.start(READER, "--run-time", "1s", "--database-url", database)
        exit_ = wait_for_exit(run)
    assert exit_.code == 4, exit_.output
    assert "before its users started" in exit_.output
    result = locust_folder.result()
    assert result["verdict"]["grade"] == "invalid"
    assert result["metrics"]["total_requests"] == 0


def test_expired_token_is_renewed(locust_folder: Project):
    """A journey answered 401 counts as an error, and its user logs in again."""
    exit_ = locust_folder.run_until(lambda served: served["GET /login"] > 4, EXPIRING)
    assert exit_.code == 1, exit_.output
    result = locust_folder.result()
    private = result["endpoints"]["GET /private"]
    assert private["status_codes"]["401"] > 0
    assert private["status_codes"]["200"] > 4 * 5  # more than the first log-ins allow


def test_repeated_exceptions_are_logged_once(locust_folder: Project):
    """A task that fails every time is logged once."""
    users = READER.replace("self.run_journey(hello)", 'raise KeyError("oops")')
    exit_ = locust_folder.run_until(lambda served: served["GET /plain"] > 20, users)
    assert exit_.output.count("Traceback") == 1, exit_.output
    assert locust_folder.result()["errors"]["kinds"]["journey_error"] > 1
