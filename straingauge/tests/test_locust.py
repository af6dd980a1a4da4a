"""Runs of Locust with straingauge, in separate processes, since Locust patches its process."""

import json
import re
import signal
import sys
from collections import Counter
from datetime import datetime, timedelta

import pytest
from formats import conforming
from locust_project import (
    OPT_IN,
    READER,
    THRESHOLDS,
    Project,
    counts,
    has_both_kinds,
    reasons,
    workers,
)

pytestmark = pytest.mark.e2e

pytest_plugins = ["locust_project"]

GREET = """
import os
from pathlib import Path
from straingauge import Pause
from straingauge.locust import transaction_ended

def greet(user):
    with user.transaction("greeting"):
        yield user.get("/hello")
        Path(f"sent_by_{os.getpid()}").touch()
        yield Pause(0.005)

@transaction_ended.add_listener
def show(name, end, response_time, duration, user):
    print("ended", end, flush=True)

class"""


PATIENT = """
import locust.runners
locust.runners.HEARTBEAT_LIVENESS = 60
"""
"""Wait for workers of a busy machine a minute instead of 3 s."""


def test_headless_run_counts_what_the_service_counts(locust_folder: Project):
    """A headless run exits 0 and writes one result, which counts what the service counted."""
    exit_ = locust_folder.run(READER, "--run-time", "3s")
    assert exit_.code == 0, exit_.output
    result = locust_folder.result()
    assert counts(result) == locust_folder.served()
    assert result["metrics"]["total_requests"] == locust_folder.served().total() > 0
    assert result["configuration"]["users"] == 4
    assert result["verdict"]["grade"] == "not_judged"
    before, begin = (datetime.fromisoformat(result[f"{of}started_at"]) for of in ("", "load_"))
    assert timedelta() <= begin - before < timedelta(minutes=1)


def test_plain_task_beside_a_journey(locust_folder: Project):
    """A task that uses the client directly is an endpoint like that of a journey."""
    exit_ = locust_folder.run_until(has_both_kinds, READER)
    assert exit_.code == 0, exit_.output
    endpoints = locust_folder.result()["endpoints"]
    assert set(endpoints) == {"GET /hello", "GET /plain"}
    for name, each in endpoints.items():
        assert each["status_codes"] == {"200": locust_folder.served()[name]}
        assert 0 < each["latency_ms"]["min"] <= each["latency_ms"]["max"]


def test_run_without_a_run_time_is_valid(locust_folder: Project):
    """Without --run-time, Ctrl-C ends a run and does not interrupt it."""
    locust_folder.run_until(has_both_kinds, READER, number=signal.SIGINT)
    assert locust_folder.result()["validity"]["valid"]


@pytest.mark.parametrize("failing", ["self.run_journey(boom)", 'self.client.get("/status/500")'])
def test_critical_exits_1(locust_folder: Project, failing: str):
    """A critical threshold that is crossed exits 1, and the output shows value and limit."""
    users = READER.replace("self.run_journey(hello)", failing)
    exit_ = locust_folder.run_until(lambda served: served.total() > 20, users, "--tags", "read")
    assert exit_.code == 1, exit_.output
    assert "errors 100 %, critical from 10 %" in exit_.output
    result = locust_folder.result()
    assert result["verdict"]["grade"] == "critical"
    assert result["errors"]["kinds"] == {"bad_status": locust_folder.served().total()}


def test_exception_in_a_task_is_an_error(locust_folder: Project):
    """An exception in a task counts as an error, and its user goes on."""
    users = READER.replace(
        "self.run_journey(hello)", 'self.run_journey(hello); raise KeyError("oops")'
    )
    exit_ = locust_folder.run_until(lambda served: served.total() > 20, users, "--tags", "read")
    assert exit_.code == 1, exit_.output
    result = locust_folder.result()
    assert result["errors"]["kinds"]["journey_error"] > 1
    assert "oops" in json.dumps(result["errors"]["examples"])


@pytest.mark.parametrize(
    ("thresholds", "options", "message"),
    [
        (THRESHOLDS, ["--tags", "raed"], "no task is left for --tags raed"),
        ("[all", [], "thresholds.toml: not valid TOML"),
        ("[all]\np95 = 3", [], "[all] p95: there is no metric here of that name"),
    ],
)
def test_mistakes_exit_2_and_send_nothing(
    locust_folder: Project, thresholds: str, options: list[str], message: str
):
    """An unknown tag or threshold gives one line, a hint, and exit code 2."""
    locust_folder.write("thresholds.toml", thresholds)
    exit_ = locust_folder.run(READER, "--run-time", "60s", *options)
    assert exit_.code == 2, exit_.output
    # Without the lines of Locust's log.
    lines = [line for line in exit_.output.splitlines() if not line.startswith("[")]
    lines += [line for line in exit_.output.splitlines() if line.startswith("[all]")]
    assert message in exit_.output
    assert len(lines) <= 2, exit_.output
    assert not locust_folder.served()
    assert not (locust_folder.path / "results").exists()


def test_failed_log_in_exits_3(locust_folder: Project):
    """A failed log-in ends the run with a message and exit code 3, before any task."""
    account = '    log_in = log_in\n    account = lambda index: {"password": "wrong"}\n'
    users = READER.replace("    @task", account + "\n    @task", 1)
    exit_ = locust_folder.run(users, "--run-time", "60s")
    assert exit_.code == 3, exit_.output
    (line,) = (line for line in exit_.output.splitlines() if "setup failed:" in line)
    assert "a user could not log in at" in line
    assert "401" in line
    assert "Traceback" not in exit_.output
    assert set(locust_folder.served()) == {"GET /login"}
    assert "setup_failed" in reasons(locust_folder.result())


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_is_saved(locust_folder: Project, number: signal.Signals, processes: int):
    """Ctrl-C or SIGTERM during a run saves what was measured, marked as interrupted."""
    options = ["--run-time", "600s", *workers(processes)]
    exit_ = locust_folder.run_until(has_both_kinds, READER, *options, number=number)
    assert exit_.code == 4, exit_.output
    result = locust_folder.result()
    assert "interrupted (600 s were planned)" in reasons(result)["interrupted"]
    assert result["verdict"]["grade"] == "invalid"
    assert counts(result) == locust_folder.served()


@pytest.mark.parametrize("processes", [1, 2])
def test_killed_run_is_saved(locust_folder: Project, processes: int):
    """After kill -9 a second process writes the result, which says how much of the load it lacks.

    With workers, each of them writes what it has measured as well, to a separate file.
    """

    def has_reported(served: Counter[str]) -> bool:
        return served.total() > 2000  # at least 10 s: 4 users send at most 200 requests/s

    options = ["--run-time", "600s", *workers(processes)]
    exit_ = locust_folder.run_until(has_reported, READER, *options, number=signal.SIGKILL)
    (merged,) = (locust_folder.path / "results").glob("metrics_2*.json")
    result = conforming(merged)
    found = re.search(
        r"was killed or has crashed: the last (.*) s, with an estimated ([\d,]+) samples?",
        reasons(result)["interrupted"],
    )
    assert found is not None
    assert float(found[1]) < 60
    assert int(found[2].replace(",", "")) > 0
    assert result["verdict"]["grade"] == "invalid"
    assert 0 < sum(counts(result).values()) <= locust_folder.served().total()
    assert str(merged.name) in exit_.output
    of_workers = [*(locust_folder.path / "results").glob("metrics_worker*.json")]
    assert len(of_workers) == (processes if processes > 1 else 0)


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        ([], {"Reader"}),
        (["--tags", "opt_in"], {"OptIn"}),
        (["--tags", "read"], {"Reader"}),
        (["OptIn", "Reader"], {"Reader", "OptIn"}),
    ],
)
def test_opt_in_users_join_when_named(
    locust_folder: Project, options: list[str], classes: set[str]
):
    """An opt-in class takes part if its name or a tag is given; thresholds are optional."""
    wanted = {"Reader": "GET /hello", "OptIn": "GET /opt-in"}

    def has_all(served: Counter[str]) -> bool:
        return all(served[wanted[name]] for name in classes)

    (locust_folder.path / "thresholds.toml").unlink()
    exit_ = locust_folder.run_until(has_all, READER + OPT_IN, *options)
    assert exit_.code == 0, exit_.output
    assert set(locust_folder.result()["configuration"]["user_classes"]) == classes
    assert locust_folder.result()["verdict"]["grade"] == "not_judged"
    assert bool(locust_folder.served()["GET /opt-in"]) == ("OptIn" in classes)


@pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers")
def test_processes_share_one_result(locust_folder: Project):
    """With --processes 2 one result counts what the service counted, and the transactions."""
    reader = READER.replace("run_journey(hello)", "run_journey(greet)").replace("class", GREET, 1)

    def both_have_sent(served: Counter[str]) -> bool:
        return has_both_kinds(served) and len(list(locust_folder.path.glob("sent_by_*"))) == 2

    exit_ = locust_folder.run_until(both_have_sent, PATIENT + reader, *workers(2))
    assert exit_.code == 0, exit_.output
    result = locust_folder.result()
    greetings = result["transactions"]["greeting"]
    assert greetings["failed"] == 0
    assert greetings["completed"] + greetings["abandoned"] == locust_folder.served()["GET /hello"]
    assert greetings["duration_ms"]["min"] - greetings["latency_ms"]["min"] > 4
    assert "TRANSACTION greeting" in " ".join(exit_.output.split())
    assert "ended completed" in exit_.output
    assert counts(result) == locust_folder.served()
    parts = result["resources"]["generator"]["processes"]
    assert len(parts) == 2
    assert all(part["sent"] for part in parts.values())
