"""Folders with load tests, and pytest sessions in them against a small real service.

A test module that has this in its `pytest_plugins`, beside "pytester", has its fixtures. It may
import from here as well, so pytest must not rewrite this module: PYTEST_DONT_REWRITE
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from counting_service import Service, counting_service
from formats import conforming
from project_files import JOURNEYS, THRESHOLDS

HEAD = (
    """
import os
import pytest
from straingauge import Finding, Pause, constant_users, spread, waves
"""
    + JOURNEYS
)

LOAD = """
@pytest.mark.load
def test_{name}(load):
    load.judge(load.run("{name}", {journey}, {schedule}, users={users}, cooldown_s=0.1))
"""

QUICK = LOAD.format(
    name="quick", journey="hello", schedule="spread(count=300, duration_s=0.5)", users=20
)
LONG = LOAD.format(
    name="long", journey="hello", schedule="spread(count=6000, duration_s=60)", users=20
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Start the service that all sessions put load on; tests compare counts before and after."""
    with counting_service() as running:
        yield running


class Project:
    """A folder with load tests, and sessions in it."""

    def __init__(
        self, pytester: pytest.Pytester, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Other installed plugins are not under test, and slow to start.
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        self.path = pytester.path
        self._pytester = pytester
        self._service = service
        self.thresholds(THRESHOLDS)

    def thresholds(self, text: str) -> None:
        """Write the thresholds file."""
        (self.path / "thresholds.toml").write_text(text)

    def arguments(self, *given: str) -> list[str]:
        """Return the arguments of a session."""
        host = [] if "--load-host" in given else ["--load-host", self._service.url]
        return [*self._plugins(*given), *host, *given]

    def _plugins(self, *given: str) -> list[str]:
        xdist = ["-p", "xdist"] if "-n" in given else []
        return ["-p", "straingauge.pytest_plugin", "-p", "no:cacheprovider", *xdist]

    def write(self, tests: str) -> None:
        """Write the test file."""
        self._pytester.makepyfile(HEAD + tests)

    def run(self, tests: str, *given: str) -> pytest.RunResult:
        """Run a session with these tests."""
        self.write(tests)
        return self._pytester.runpytest_subprocess(*self.arguments(*given), timeout=120)

    def session(self, *given: str) -> pytest.RunResult:
        """Run a session with the tests that were written, without naming the service."""
        arguments = [*self._plugins(*given), *given]
        return self._pytester.runpytest_subprocess(*arguments, timeout=120)

    def start(self, tests: str, *given: str) -> "subprocess.Popen[str]":
        """Start a session in a separate process group, as a terminal does."""
        self.write(tests)
        command = [sys.executable, "-m", "pytest", *self.arguments(*given)]
        return subprocess.Popen(
            command,
            cwd=self.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def results(self) -> list[dict[str, Any]]:
        """Return all result files, oldest first."""
        files = sorted(
            (self.path / "results").glob("*.json"), key=lambda file: file.stat().st_mtime
        )
        return [conforming(file) for file in files if not file.match("summary_*")]


@pytest.fixture
def project(
    pytester: pytest.Pytester, service: Service, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """Create a project in a new folder."""
    return Project(pytester, service, monkeypatch)


def wait_until(condition: Callable[[], bool], limit_s: float = 120.0) -> None:
    """Wait for a condition, up to a generous limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.02)
