"""Fixtures shared by several test files."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvloop
from hypothesis import settings
from inherited_signals import accept_signals
from locust_caller import Locust, locust
from preloaded import install
from raw_server import certified
from xdist_groups import (
    pytest_collection_modifyitems,
    pytest_make_parametrize_id,
    pytest_runtest_setup,
)

__all__ = ["pytest_collection_modifyitems", "pytest_make_parametrize_id", "pytest_runtest_setup"]

accept_signals()

# Tests start hundreds of pytest sessions, each of which this plugin would delay by a second.
os.environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:schemathesis"

# A shared machine may take any time for an example; what is slow is measured by benchmarks.
# The examples are the same each time, so that a run judges the change, not its luck.
settings.register_profile("straingauge", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "straingauge"))

LIBRARIES = ["numpy", "orjson", "psutil", "rich.console", "jinja2", "click", "httptools"]
REPORT = ["rich.progress_bar", "rich.table", "straingauge.report", "compiled_templates"]
COMMANDS = ["cli.run_load", "ab", "capacity", "target.service_locator"]
PRELOADED = {
    "locust": ["locust.main", *LIBRARIES],
    # A plugin that is imported before pytest names it would not be rewritten.
    "pytest": ["pytest", *LIBRARIES, "uvloop", "execnet", "straingauge.runner", *REPORT],
    "straingauge": [
        *LIBRARIES,
        "uvloop",
        *(f"straingauge.{each}" for each in COMMANDS),
        *REPORT,
    ],
}


def pytest_configure(config: pytest.Config) -> None:
    """Start programs as forks of a process with their libraries, until the session ends."""
    config.add_cleanup(install(PRELOADED))


@pytest.fixture(scope="session")
def _first_loop() -> None:
    """The first loop of a process opens a pipe that stays open, whatever is run."""
    uvloop.new_event_loop().close()


@pytest.fixture
def nothing_left_open(_first_loop: None) -> Iterator[None]:
    """However a connection ends, its file descriptor is closed when the run is over."""
    before = _open_files()
    yield
    assert not _open_files() - before  # what an earlier test left may close meanwhile


def _open_files() -> set[tuple[int, int]]:
    """Number and inode of each open descriptor, but that of the listing itself."""
    found = set()
    for entry in Path("/dev/fd").iterdir():
        with suppress(OSError):
            found.add((int(entry.name), os.fstat(int(entry.name)).st_ino))
    return found


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost."""
    return certified(tmp_path_factory.mktemp("tls") / "localhost.pem", "localhost")


@pytest.fixture(scope="session")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locust]:
    """A process with a Locust user."""
    with locust(tmp_path_factory.mktemp("calls")) as process:
        yield process


@pytest.fixture
def own_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the values of `Inside` apart from those of test processes with the same parent."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
