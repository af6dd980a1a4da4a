import json
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from counting_service import Service, counting_service
from raw_server import answering, serve
from stack_tools import write_stack_config
from straingauge.cli import main
from straingauge.doctor import CheckContext, CheckResult, machine
from straingauge.doctor.database import _room as room
from straingauge.doctor.database import database
from straingauge.observe import DatabaseStats
from straingauge.target.config import StackConfig
from straingauge.target.ports import free_port

JOURNEYS = """
def account(index):
    return {{"password": {password!r}}}

def log_in(user):
    answer = yield user.post("/login", json={{"password": user.data["password"]}})
    user.authorize(answer.json()["token"])

def look(user):
    yield user.get({path!r})
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Start a healthy service."""
    with counting_service() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_checks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(machine, "SAMPLE_S", 0.05)
    monkeypatch.chdir(tmp_path)
    for name in ("API_BASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)


def doctor(*arguments: object) -> tuple[int, dict[str, CheckResult]]:
    """Run `straingauge doctor`; returns the exit code and the worst line of each check."""
    done = CliRunner().invoke(
        main, ["doctor", "--json", *map(str, arguments)], catch_exceptions=False
    )
    order = ("skipped", "ok", "warning", "problem")
    lines = [CheckResult(**each) for each in json.loads(done.output)]
    return done.exit_code, {
        line.check: line for line in sorted(lines, key=lambda line: order.index(line.state))
    }


def journeys(folder: Path, path: str = "/hello", *, valid: bool = True) -> Path:
    """Write a file with a log-in and one journey."""
    file = folder / "journeys.py"
    file.write_text(JOURNEYS.format(path=path, password="correct horse" if valid else "wrong"))
    return file


def test_a_healthy_service_is_ready(service: Service, tmp_path: Path):
    """A healthy service has no problem, and its own checks are all ok."""
    code, lines = doctor(journeys(tmp_path), "--host", service.url)
    assert code == 0
    checks = (
        "service",
        "debugging",
        "processes",
        "service files",
        "metrics",
        "log-in",
        "role",
        "data",
    )
    assert {lines[check].state for check in (*checks, "journeys", "limits")} == {"ok"}
    assert str(service.process.pid) in lines["processes"].message
    # All users get the same token.
    assert lines["accounts"].state == "warning"


def test_text_output_has_a_line_per_check(service: Service):
    """Without --json each check is a line with its advice below, followed by a summary."""
    done = CliRunner().invoke(main, ["doctor", "--host", service.url], catch_exceptions=False)
    assert "ok        service       GET / at " in done.output
    assert "skipped   journeys      no file with journeys was given\n" in done.output
    assert "-> run each journey once: straingauge doctor journeys.py" in done.output
    assert done.output.splitlines()[-1].startswith("Ready")


def test_an_unreachable_service_is_a_problem(tmp_path: Path):
    """An unreachable service gives exit code 3; checks that do not need it still run."""
    code, lines = doctor(journeys(tmp_path), "--host", f"http://127.0.0.1:{free_port()}")
    assert code == 3
    assert lines["service"].state == "problem"
    assert "disk" in lines
    assert "log-in" not in lines


def test_a_startable_service_need_not_run(tmp_path: Path):
    """A service that a straingauge.toml can start need not run, and is named."""
    write_stack_config(tmp_path)
    code, lines = doctor("--host", f"http://127.0.0.1:{free_port()}")
    assert (code, lines["service"].state) == (0, "warning")
    assert "tiny_service.py" in lines["service"].message


@pytest.mark.parametrize(
    ("path", "check", "message"),
    [
        ("/status/403", "role", "GET /status/403: status 403"),
        ("/status/404", "data", "GET /status/404: status 404"),
        ("/status/500", "journeys", "GET /status/500: status 500"),
        ("/status/429", "limits", "rate limits are on, and used up"),
    ],
)
def test_rejected_requests_are_classified_by_status(
    service: Service, tmp_path: Path, path: str, check: str, message: str
):
    """403 is a problem of the role, 404 of the data, 500 of the journey, and 429 of rate limits."""
    code, lines = doctor(journeys(tmp_path, path), "--host", service.url)
    assert code == 3
    assert {line.check for line in lines.values() if line.state == "problem"} == {check}
    assert message in lines[check].message
    assert lines[check].advice


def test_an_account_that_cannot_log_in_is_a_problem(service: Service, tmp_path: Path):
    """A rejected log-in is reported with the response, and no journey is run."""
    code, lines = doctor(journeys(tmp_path, valid=False), "--host", service.url)
    assert code == 3
    assert "POST /login: status 401" in lines["log-in"].message
    assert "journeys" not in lines


def test_a_journey_that_raises_is_a_problem(service: Service, tmp_path: Path):
    """A journey that raises, for example because it finds no rows, is named with its error."""
    file = journeys(tmp_path)
    file.write_text(file.read_text() + "    [].pop()\n")
    code, lines = doctor(file, "--host", service.url)
    assert code == 3
    assert "look: IndexError: pop from empty list" in lines["data"].message


def test_headers_show_rate_limits_and_clock_skew(tmp_path: Path):
    """A rate limit in the headers is a warning, and so is a different time of day."""
    headers = "RateLimit-Limit: 100\r\nDate: Tue, 17 Dec 2024 12:05:30 GMT\r\n"
    file = tmp_path / "journeys.py"
    file.write_text('def look(user):\n    yield user.get("/hello")\n')
    with serve(answering(headers=headers)) as server:
        code, lines = doctor(file, "--host", server.url)
    assert code == 0
    assert lines["limits"].state == "warning"
    assert "RateLimit-Limit: 100 (at GET /hello)" in lines["limits"].message
    assert lines["clock"].state == "warning"


def test_a_service_that_is_not_ready_is_a_problem():
    """A service that answers 503 is not ready."""
    with serve(answering(status=503)) as server:
        code, lines = doctor("--host", server.url)
    assert (code, lines["service"].state) == (3, "problem")


@pytest.mark.parametrize(
    ("arguments", "environment", "found"),
    [(["--reload"], {}, "--reload"), ([], {"FLASK_DEBUG": "1"}, "FLASK_DEBUG=1")],
)
def test_a_service_in_development_mode_is_a_warning(
    arguments: list[str], environment: dict[str, str], found: str
):
    """A reloader or debug mode is found in the command line or the environment."""
    command = [sys.executable, str(Path(__file__).with_name("counting_service.py")), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        _, lines = doctor("--host", f"http://127.0.0.1:{process.stdout.readline().strip()}")
        process.kill()
    assert lines["debugging"].state == "warning"
    assert found in lines["debugging"].message


def test_too_few_file_descriptors_are_a_problem(service: Service):
    """More users than possible connections are a problem for the service and this machine."""
    _, hard = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
    if not 0 < hard < 2_000_000:
        pytest.skip("this user may open any number of files")
    code, lines = doctor("--host", service.url, "--users", hard)
    assert code == 3
    assert {lines["open files"].state, lines["service files"].state} == {"problem"}


@pytest.mark.parametrize(("free_mb", "state"), [(20, "problem"), (500, "warning"), (5000, "ok")])
def test_a_full_disk(monkeypatch: pytest.MonkeyPatch, free_mb: int, state: str):
    """Too little space for results is a problem, and little space is a warning."""
    usage = namedtuple("usage", "total used free")(0, 0, free_mb * 1e6)  # noqa: PYI024
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    (line,) = machine.disk(context())
    assert line.state == state


def test_a_slow_clock_source_is_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A slow clock source of the kernel slows the generator."""
    monkeypatch.setattr(machine, "CLOCK_SOURCE", tmp_path / "source")
    (tmp_path / "source").write_text("hpet\n")
    (line,) = machine.clock_source(context())
    assert line.state == "warning"


def test_other_load_on_the_machine_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    """A busy process that belongs neither to the service nor to straingauge is named."""
    monkeypatch.setattr(machine, "BUSY_SHARE", 0.0)
    monkeypatch.setattr(machine, "SAMPLE_S", 0.5)
    # The parent of the process ends at once, so it is no child of this process.
    script = f"{quote(sys.executable)} -c 'while True: pass' >/dev/null 2>&1 & echo $!"
    pid = int(subprocess.run(["sh", "-c", script], capture_output=True, check=True).stdout)
    try:
        (line,) = machine.other_load(context())
        name = psutil.Process(pid).name()
    finally:
        psutil.Process(pid).send_signal(signal.SIGKILL)
    assert line.state == "warning"
    assert f"{name} " in line.message


@pytest.mark.parametrize(
    ("pool", "others", "state"), [(20, 10, "ok"), (80, 30, "warning"), (98, 0, "problem")]
)
def test_the_pool_is_compared_with_the_database_limit(
    tmp_path: Path, pool: int, others: int, state: str
):
    """A pool above PostgreSQL's limit is a problem, and one that leaves no room a warning."""
    file = write_stack_config(tmp_path, postgres=True)
    file.write_text(
        file.read_text().replace("[postgres]", f"[postgres]\nconnections_per_worker={pool}")
    )
    sample = {"db_server_connections": others + 5, "db_connections": 5}
    (line,) = room(
        context(stack=StackConfig.from_file(file)), DatabaseStats(max_connections=100), sample
    )
    assert line.state == state
    assert f"{pool} of PostgreSQL's 100 connections" in line.message


def test_an_unreachable_database_is_a_problem():
    """An unreachable database is reported without its password."""
    url = f"postgresql://me:secret@127.0.0.1:{free_port()}/none"
    (line,) = database(context(database_url=url))
    assert line.state == "problem"
    assert "secret" not in line.message


def context(**parts: Any) -> CheckContext:  # noqa: ANN401  parts of one
    """Return the context of a service that is not running."""
    return CheckContext(
        url="http://127.0.0.1:1", answers=False, results=Path.cwd() / "results", users=1, **parts
    )
