"""straingauge in Locust, seen from outside: Locust patches its process, so it never is this one."""

import json
import signal
import sys
from collections import Counter

import pytest
from locust_project import (
    OPT_IN,
    READER,
    THRESHOLDS,
    Project,
    both_kinds,
    counts,
    reasons,
    workers,
)

pytest_plugins = ["locust_project"]


def test_headless_run_counts_what_the_service_does(project: Project):
    """A headless run exits 0 and leaves one result file that counts what the service counted."""
    ended = project.run(READER, "--run-time", "3s")
    assert ended.code == 0, ended.output
    result = project.result()
    assert counts(result) == project.served()
    assert result["metrics"]["total_requests"] == project.served().total() > 0
    assert result["configuration"]["users"] == 4
    assert result["verdict"]["grade"] == "target"


def test_plain_task_beside_a_journey(project: Project):
    """A task that uses Locust's client itself is an endpoint like that of a journey."""
    ended = project.run_until(both_kinds, READER)
    assert ended.code == 0, ended.output
    endpoints = project.result()["endpoints"]
    assert set(endpoints) == {"GET /hello", "GET /plain"}
    for name, each in endpoints.items():
        assert each["status_codes"] == {"200": project.served()[name]}
        assert 0 < each["latency_ms"]["min"] <= each["latency_ms"]["max"]


def test_run_without_an_end_of_its_own_is_valid(project: Project):
    """Where no --run-time was given, Ctrl-C is how a run ends, and no interruption."""
    project.run_until(both_kinds, READER, number=signal.SIGINT)
    assert project.result()["validity"]["valid"]


@pytest.mark.parametrize("failing", ["self.run_journey(boom)", 'self.client.get("/status/500")'])
def test_critical_exits_1(project: Project, failing: str):
    """A crossed critical threshold exits 1, with its figure beside its limit."""
    users = READER.replace("self.run_journey(hello)", failing)
    ended = project.run_until(lambda served: served.total() > 20, users, "--tags", "read")
    assert ended.code == 1, ended.output
    assert "error_rate_percent = 100 (critical from 10)" in ended.output
    result = project.result()
    assert result["verdict"]["grade"] == "critical"
    assert result["errors"]["kinds"] == {"bad_status": project.served().total()}


def test_exception_in_a_task_is_an_error(project: Project):
    """A task that lets an exception out counts as an error, and its user goes on."""
    users = READER.replace(
        "self.run_journey(hello)", 'self.run_journey(hello); raise KeyError("oops")'
    )
    ended = project.run_until(lambda served: served.total() > 20, users, "--tags", "read")
    assert ended.code == 1, ended.output
    result = project.result()
    assert result["errors"]["kinds"]["journey_error"] > 1
    assert "oops" in json.dumps(result["errors"]["examples"])


@pytest.mark.parametrize(
    ("thresholds", "given", "message"),
    [
        (THRESHOLDS, ["--tags", "raed"], "no task is left for --tags raed"),
        ("[all", [], "thresholds.toml: not valid TOML"),
        ("[all]\np95 = 3", [], "[all] p95: there is no metric here of that name"),
    ],
)
def test_mistakes_exit_2_and_send_nothing(
    project: Project, thresholds: str, given: list[str], message: str
):
    """A tag or a threshold that means nothing is one line, what to try, and exit 2."""
    project.write("thresholds.toml", thresholds)
    ended = project.run(READER, "--run-time", "60s", *given)
    assert ended.code == 2, ended.output
    # Beside the lines of Locust's own log.
    said = [line for line in ended.output.splitlines() if not line.startswith("[")]
    said += [line for line in ended.output.splitlines() if line.startswith("[all]")]
    assert message in ended.output
    assert len(said) <= 2, ended.output
    assert not project.served()
    assert not (project.path / "results").exists()


def test_failed_log_in_exits_3(project: Project):
    """A log-in that fails ends the run with that message, no task played, and exit 3."""
    account = '    log_in = log_in\n    account = lambda index: {"password": "wrong"}\n'
    users = READER.replace("    @task", account + "\n    @task", 1)
    ended = project.run(users, "--run-time", "60s")
    assert ended.code == 3, ended.output
    (line,) = (line for line in ended.output.splitlines() if "setup failed" in line)
    assert "a user could not log in at" in line
    assert "401" in line
    assert "Traceback" not in ended.output
    assert set(project.served()) == {"GET /login"}
    assert "setup_failed" in reasons(project.result())


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_run_is_kept(project: Project, number: signal.Signals, processes: int):
    """Ctrl-C or SIGTERM in mid-run leaves what was measured till then, marked interrupted."""
    given = ["--run-time", "600s", *workers(processes)]
    ended = project.run_until(both_kinds, READER, *given, number=number)
    assert ended.code == 4, ended.output
    result = project.result()
    assert "interrupted (600 s were planned)" in reasons(result)["interrupted"]
    assert result["verdict"]["grade"] == "invalid"
    assert counts(result) == project.served()


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ([], {"Reader"}),
        (["--tags", "opt_in"], {"OptIn"}),
        (["--tags", "read"], {"Reader"}),
        (["OptIn", "Reader"], {"Reader", "OptIn"}),
    ],
)
def test_opt_in_users_join_when_named(project: Project, given: list[str], classes: set[str]):
    """A class that joins only when asked for is asked for by its name or one of its tags."""
    wanted = {"Reader": "GET /hello", "OptIn": "GET /opt-in"}

    def all_there(served: Counter[str]) -> bool:
        return all(served[wanted[name]] for name in classes)

    ended = project.run_until(all_there, READER + OPT_IN, *given)
    assert ended.code == 0, ended.output
    assert set(project.result()["configuration"]["user_classes"]) == classes
    assert bool(project.served()["GET /opt-in"]) == ("OptIn" in classes)


@pytest.mark.skipif(sys.platform != "linux", reason="Locust forks its workers")
def test_processes_share_one_result(project: Project):
    """With --processes 2 there is one result, and it counts what the service counted."""
    ended = project.run_until(both_kinds, READER, *workers(2))
    assert ended.code == 0, ended.output
    result = project.result()
    assert counts(result) == project.served()
    parts = result["resources"]["generator"]["processes"]
    assert len(parts) == 2
    assert all(part["sent"] for part in parts.values())
