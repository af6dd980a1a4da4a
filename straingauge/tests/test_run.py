"""`straingauge run` against a service that counts its requests."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from counting_service import Service, counting_service
from formats import conforming
from load_project import wait_until
from stack_tools import runs as is_running
from straingauge.cli import main
from straingauge.cpus import usable_cpus

pytestmark = pytest.mark.e2e

JOURNEYS = """
from straingauge.journey import tagged

@tagged("read")
def hello(user):
    yield user.get("/hello")

@tagged("write")
def boom(user):
    yield user.get("/status/500")
"""
LOG_IN = """
def account(index):
    return {"password": "wrong" if index == 3 else "correct horse"}

def log_in(user):
    answer = yield user.post("/login", json={"password": user.data["password"]})
    user.authorize(answer.json()["token"])
"""
THRESHOLDS = """
[all]
error_rate_percent = { target = 1, warning = 5, critical = 10 }
"""
QUICK = ("--tags", "read", "--rate", "300", "--duration", "1s")
LONG = ("--tags", "read", "--rate", "100", "--duration", "60s", "--users", "20")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Start the service that all runs put load on; tests compare counts before and after."""
    with counting_service() as running:
        yield running


class RunFolder:
    """A folder with journeys, and runs in it."""

    def __init__(self, folder: Path, service: Service) -> None:
        self.folder = folder
        self.file = folder / "look.py"
        self.file.write_text(JOURNEYS)
        (folder / "thresholds.toml").write_text(THRESHOLDS)
        self._service = service

    def start(self, *options: object, through: Sequence[str] = ()) -> "subprocess.Popen[str]":
        """Start a run in a separate process group, as a shell does, or through a command."""
        command = [*through, Path(sys.executable).with_name("straingauge"), "run", self.file]
        return subprocess.Popen(
            [*map(str, command), "--host", self._service.url, *map(str, options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *options: object, through: Sequence[str] = ()) -> tuple[int, str, str]:
        """Run to the end; returns exit code, standard output and standard error."""
        with self.start(*options, through=through) as process:
            output, message = process.communicate(timeout=120)
        return process.returncode, output, message

    def result(self) -> dict[str, Any]:
        """Read the only result file."""
        (path,) = (self.folder / "results").glob("*.json")
        return conforming(path)


@pytest.fixture
def runs(tmp_path: Path, service: Service) -> RunFolder:
    """Create a folder for runs."""
    return RunFolder(tmp_path, service)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("API_BASE_URL", raising=False)
    monkeypatch.delenv("DATABASE_URL", raising=False)


def workers(run: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Return the processes that share the load, the leading one first."""
    return sorted(psutil.Process(run.pid).children(), key=lambda each: each.pid)


def reasons(result: dict[str, Any]) -> dict[str, str]:
    """Return the validity of a run: the reasons with their messages."""
    return {each["reason"]: each["message"] for each in result["validity"]["reasons"]}


def test_many_processes_send_one_load(runs: RunFolder, service: Service):
    """The merged result counts the requests that the service served, and names idle processes."""
    with (runs.folder / "thresholds.toml").open("a") as file:
        file.write('[endpoint."GET /helo"]\np95_ms = { target = 1, warning = 2, critical = 3 }\n')
    before = service.counts()["/hello"]
    code, output, progress = runs.run(*QUICK, "--processes", 50, "--warmup", "0.5s")
    assert code == 0, progress
    assert "thresholds for endpoints that were not called: GET /helo" in output
    result = runs.result()
    assert service.counts()["/hello"] - before == 300 + 150
    assert result["metrics"]["total_requests"] == 300
    assert result["phases"]["warmup"]["total_requests"] == 150
    assert result["configuration"]["journeys"] == {"hello": 1}
    active = min(usable_cpus(), 50)
    assert result["configuration"]["processes"] == active
    assert reasons(result)["idle_processes"].startswith(f"{50 - active} of 50 processes")
    assert re.search(rf"load look: hello -> \S+ .*, 300 users, 1 s, {active} process", progress)
    assert re.search(r"look +(not judged|warning) +300 ", output)


def test_concurrent_users_repeat_their_journeys(runs: RunFolder, service: Service):
    """In the closed model users run again and again, and each response is counted by its status."""
    before = service.counts()
    weights = ("--journey", "hello=3", "--journey", "boom")
    closed = ("--users", 4, "--think", "5-10ms", "--duration", "1s", "--processes", 2)
    code, output, _ = runs.run(*weights, *closed)
    assert code == 1
    result = runs.result()
    counts = service.counts() - before
    assert result["metrics"]["total_requests"] == counts["/hello"] + counts["/status/500"] > 0
    assert result["status_codes"] == {"200": counts["/hello"], "500": counts["/status/500"]}
    assert "errors " in output
    assert result["verdict"]["grade"] == "critical"


def test_users_can_share_connections(runs: RunFolder):
    """With shared connections the limit holds over all users and processes."""
    shared = ("--connections", "shared", "--max-connections", 2, "--processes", 2)
    code, _, progress = runs.run(*QUICK, "--users", 20, *shared)
    assert code == 0, progress
    result = runs.result()
    assert result["metrics"]["total_requests"] == 300
    processes = result["resources"]["generator"]["processes"].values()
    assert 1 <= sum(each["connections"] for each in processes) <= 2
    assert result["configuration"]["max_connections"] == 2


def test_paths_need_no_file(runs: RunFolder, service: Service, monkeypatch: pytest.MonkeyPatch):
    """Paths are requested in turn, and the result is in the current folder."""
    monkeypatch.chdir(runs.folder)
    command = [Path(sys.executable).with_name("straingauge"), "run", "--host", service.url]
    options = ["--get", "/a", "--get", "/b?x=1", "--rate", "50", "--poisson", "--duration", "1s"]
    subprocess.run([*map(str, command), *options], check=True, capture_output=True)
    counts = service.counts()
    result = runs.result()
    assert result["endpoints"].keys() == {"GET /a", "GET /b"}
    assert counts["/a"] + counts["/b?x=1"] == result["metrics"]["total_requests"] > 0
    assert abs(counts["/a"] - counts["/b?x=1"]) <= 1


@pytest.mark.skipif(usable_cpus() < 2, reason="one core has one process")
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_is_named(runs: RunFolder, service: Service, victim: int):
    """If a process is killed during the run, it is named, and its reports are in the result."""
    before = service.counts()["/hello"]
    options = (*LONG, "--processes", 2, "--duration", "6s")
    with runs.start(*options) as run:
        wait_until(lambda: service.counts()["/hello"] - before > 200)
        workers(run)[victim].kill()
        output, progress = run.communicate(timeout=120)
    served = service.counts()["/hello"] - before
    result = runs.result()
    name = f"p{victim + 1}"
    assert run.returncode == 4
    assert f"process {name}" in reasons(result)["lost_worker"]
    assert f"process {name}" in output
    found = re.search(r"an estimated ([\d,]+) samples?", reasons(result)["lost_worker"])
    assert found
    sent_at_most = (
        result["metrics"]["total_requests"] + int(found[1].replace(",", "")) + 20
    )  # in flight at that moment
    assert 100 < result["metrics"]["total_requests"] <= served <= sent_at_most
    assert "Traceback" not in progress


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_run_is_kept(runs: RunFolder, service: Service, number: signal.Signals):
    """After Ctrl-C, SIGTERM or SIGHUP all requests are in the result, and the exit code is 130."""
    before = service.counts()["/hello"]
    with runs.start(*LONG, "--processes", 2) as run:
        wait_until(lambda: service.counts()["/hello"] - before > 100)
        started = workers(run)
        os.killpg(run.pid, number)
        _, progress = run.communicate(timeout=180)
    assert run.returncode == 130, progress
    result = runs.result()
    assert result["verdict"]["grade"] == "invalid"
    assert reasons(result)["interrupted"].startswith("interrupted, after")
    assert result["metrics"]["total_requests"] == service.counts()["/hello"] - before
    assert not any(is_running(process.pid) for process in started)
    assert "Traceback" not in progress


def test_no_process_outlives_the_controlling_process(runs: RunFolder, service: Service):
    """If the controlling process is killed, the load ends."""
    before = service.counts()["/hello"]
    with runs.start(*LONG, "--processes", 2) as run:
        wait_until(lambda: service.counts()["/hello"] - before > 100)
        started = workers(run)
        run.kill()
        wait_until(lambda: not any(is_running(process.pid) for process in started))


def test_a_failed_log_in_sends_no_load(runs: RunFolder, service: Service):
    """A user that cannot log in ends the run in all processes with exit code 3 and the reason."""
    runs.file.write_text(JOURNEYS + LOG_IN)
    before = service.counts()["/hello"]
    code, output, progress = runs.run(*QUICK, "--processes", 2)
    assert code == 3
    assert "a user could not log in" in output
    assert "401" in output
    assert "Traceback" not in progress
    assert service.counts()["/hello"] == before
    assert "setup_failed" in reasons(runs.result())


def test_a_process_that_cannot_start_ends_the_run(runs: RunFolder, service: Service):
    """If one process cannot prepare the load, nothing is sent, and it is named."""
    worker_only = "\nimport sys\nassert 'worker' not in sys.argv[0], 'not here'\n"
    runs.file.write_text(JOURNEYS + worker_only)
    before = service.counts()["/hello"]
    code, _, message = runs.run(*QUICK)
    assert code == 3
    assert "not here" in message
    assert "process p1 ended before it could start (exit code 2)" in message
    assert service.counts()["/hello"] == before


def test_a_full_disk_still_shows_the_statistics(runs: RunFolder):
    """A result that cannot be written is named by its file; verdict and statistics are shown."""
    limited = ("sh", "-c", 'ulimit -f 8; exec "$@"', "sh")  # blocks of 512 bytes
    code, output, message = runs.run(*QUICK, through=limited)
    assert code == 2
    assert re.search(r"cannot write .* to .*/results/look_\d+_\d+\.json: File too large", message)
    assert re.search(r"look +(not judged|warning) +300 ", output)
    assert "look: not written" in output


def test_an_unreachable_service(runs: RunFolder):
    """An address where nothing listens gives exit code 3 and a hint."""
    done = CliRunner().invoke(main, ["run", str(runs.file), "--host", "http://127.0.0.1:9"])
    assert done.exit_code == 3
    assert "nothing responds at http://127.0.0.1:9" in done.output
    assert "or check the URL (http or https, host, port) in --host" in done.output
