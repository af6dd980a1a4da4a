"""Observation of the database and of the cooldown in load tests, with and without xdist."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from counting_service import Service
from load_project import LOAD, QUICK, Project
from stack_tools import sql
from straingauge.target import Postgres

pytestmark = pytest.mark.e2e

pytest_plugins = ["pytester", "load_project"]


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """Start a database that nothing uses."""
    with Postgres(durable=False, max_connections=20) as server:
        sql(server.url, "CREATE TABLE seen (id int)")
        yield server.url


def password(url: str) -> str:
    """A secret, which must never be in a file."""
    found = urlsplit(url).password
    assert found is not None
    return found


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_database_of_the_option_is_observed(
    project: Project, database_url: str, processes: str
):
    """With --load-database-url the leader observes that database, and stores no password."""
    project.run(QUICK, "-n", processes, "--load-database-url", database_url).assert_outcomes(
        passed=1
    )
    (result,) = project.results()
    database = result["resources"]["database"]
    assert (database["unavailable"], database["failed_samples"]) == ([], 0)
    assert database["samples"] >= 2
    assert database["connections"]["max"] == 20
    for file in project.path.rglob("*.json"):
        assert password(database_url) not in file.read_text()


def test_the_database_of_the_environment_is_observed(
    project: Project, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    """By default the database of DATABASE_URL is observed."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    project.run(QUICK, "-n", "0").assert_outcomes(passed=1)
    assert project.results()[0]["resources"]["database"]["connections"]["max"] == 20


def test_no_database_is_observed_without_a_url(project: Project, monkeypatch: pytest.MonkeyPatch):
    """Without a known database, the result has no database section."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    project.run(QUICK, "-n", "0").assert_outcomes(passed=1)
    assert project.results()[0]["resources"]["database"] is None


def test_the_process_of_the_option_is_the_service(project: Project, service: Service):
    """With --load-server-pid that process is observed, whatever listens on the port."""
    pid = str(service.process.pid)
    project.run(QUICK, "-n", "0", "--load-server-pid", pid).assert_outcomes(passed=1)
    assert project.results()[0]["resources"]["service"]["source"] == "process"


# Each records when it runs: in a file, since that may be in any process.
TIMED = """
import time
from pathlib import Path

def note(name):
    with (Path(__file__).parent / name).open("a") as file:
        file.write(f"{time.monotonic()}\\n")

def send(user):
    note("sent")
    yield user.get("/hello")

def read_back(user):
    note("read back")
    yield user.get("/hello")
"""


@pytest.mark.parametrize("processes", ["0", "2"])
def test_verification_starts_after_the_cooldown(project: Project, processes: str):
    """The cooldown is between the load and its verification."""
    load = LOAD.format(
        name="rest", journey="send", schedule="spread(count=50, duration_s=1)", users=20
    )
    tests = TIMED + load.replace("cooldown_s=0.1", "cooldown_s=1.5, verify=read_back")
    project.run(tests, "-n", processes).assert_outcomes(passed=1)
    (result,) = project.results()
    assert result["resources"]["cooldown"]["duration_s"] >= 1.5
    sent, back = (
        [float(line) for line in (project.path / name).read_text().split()]
        for name in ("sent", "read back")
    )
    assert (len(sent), len(back)) == (50, 20)
    assert min(back) - max(sent) >= 1.5
