import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from formats import conforming
from straingauge.cli import main
from straingauge.target.ports import free_port, is_in_use
from straingauge.target.reaper import wait_until

SERVICE = Path(__file__).with_name("turning_service.py")
STRAINGAUGE = Path(sys.executable).with_name("straingauge")
SHORT = ("--get", "/", "--step", "200ms", "--warmup", "50ms", "--name", "trial")
# A slow machine must not fail the test: only errors count.
ERRORS_ONLY = """
[all]
error_rate_percent = { target = 0, warning = 1, critical = 2 }
"""


@contextmanager
def service(*arguments: object) -> Iterator[str]:
    """Start the service, and yield its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, SERVICE, str(port), *map(str, arguments)])
    try:
        assert wait_until(lambda: is_in_use(port), 30)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def capacity(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start `straingauge capacity` in a folder."""
    (folder / "errors.toml").write_text(ERRORS_ONLY)
    return subprocess.Popen(
        [STRAINGAUGE, "capacity", *SHORT, "--results", str(folder / "results"),
         "--thresholds", str(folder / "errors.toml"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
    )  # fmt: skip


def document(folder: Path) -> dict[str, Any]:
    """Read the result file."""
    (file,) = (folder / "results").glob("trial_capacity_*.json")
    return conforming(file)


def conclusive(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the levels without those that were repeated."""
    return [each for each in result["levels"] if not each["inconclusive"]]


@pytest.mark.serial
def test_a_capacity_of_at_least_the_maximum(tmp_path: Path):
    """A service that passes at all levels has a capacity of at least the maximum."""
    page = tmp_path / "page.html"
    with service(1) as url:
        process = capacity(
            tmp_path,
            "--host",
            url,
            "--min",
            "20",
            "--max",
            "40",
            "--confirmations",
            "1",
            "-o",
            str(page),
        )
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "capacity at least 40/s, confirmed 2/2" in output
    result = document(tmp_path)
    assert (result["capacity"], result["is_lower_bound"]) == (40, True)
    assert result["stopped_early"] is None
    assert [each["phase"] for each in conclusive(result)] == ["step", "step", "confirmation"]
    assert page.read_text().count("<svg") == 2


@pytest.mark.serial
def test_a_number_of_users(tmp_path: Path):
    """--by-users searches for a number of concurrent users."""
    with service(1) as url:
        process = capacity(
            tmp_path, "--host", url, "--by-users", "--max", "2", "--confirmations", "0"
        )
        output, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors
    assert "capacity at least 2 users" in output
    assert [each["level"] for each in conclusive(document(tmp_path))] == [1, 2]


@pytest.mark.e2e
def test_a_service_that_dies(tmp_path: Path):
    """If the service stops responding, the command ends with 3, and the levels are in the file."""
    with service(1, 30) as url:
        process = capacity(tmp_path, "--host", url, "--min", "20", "--max", "2000")
        _, errors = process.communicate(timeout=180)
    assert process.returncode == 3, errors
    assert "the service died" in errors
    assert "died" in document(tmp_path)["stopped_early"]
    assert document(tmp_path)["levels"]


@pytest.mark.e2e
def test_ctrl_c_keeps_the_levels(tmp_path: Path):
    """After an interrupt the exit code is 130, and the levels are in the file."""
    with service(1) as url:
        process = capacity(
            tmp_path, "--host", url, "--min", "1", "--max", "2", "--confirmations", "1000"
        )
        assert process.stderr is not None
        assert re.match(r"step +1/s", process.stderr.readline())
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=180)
    assert process.returncode == 130, errors
    result = document(tmp_path)
    assert (result["stopped_early"], result["capacity"]) == ("interrupted", None)
    assert result["levels"]


@pytest.mark.e2e
def test_kill_keeps_the_levels(tmp_path: Path):
    """After kill -9 a second process writes the levels, and says which one is missing."""
    with service(1) as url:
        process = capacity(
            tmp_path, "--host", url, "--min", "1", "--max", "2", "--confirmations", "1000"
        )
        assert process.stderr is not None
        for _ in range(3):  # the second process has each level once the next one begins
            process.stderr.readline()
        process.kill()
        _, errors = process.communicate(timeout=180)
    result = document(tmp_path)
    assert re.search(r"the level of \S+/s, begun .* is missing", result["stopped_early"]), errors
    assert result["stopped_early"] in errors
    assert result["levels"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--by-users", "--max-users", "5"], "--max-users is for a rate"),
        (["--think", "1s"], "add --by-users"),
        (["--max", "-1"], "--max"),
    ],
)
def test_contradictory_options_are_refused(arguments: list[str], message: str):
    """Options that contradict each other are refused before anything is sent."""
    done = CliRunner().invoke(main, ["capacity", "--get", "/", *arguments])
    assert done.exit_code == 2
    assert message in done.stderr
