"""Errors in the setup of load tests are reported in one line, with a remedy.

Each test runs a load test against the real service in a separate process.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from service import Service, run_backend
from tests.performance.fault_injection.suite import PERFORMANCE, run_load_tests

pytestmark = pytest.mark.e2e

Start = Callable[..., Service]


@pytest.fixture(scope="module")
def start(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Starts the service on a new database, seeded if there are options."""
    with ExitStack() as stack:

        def start_with(*options: str) -> Service:
            url = make_database()
            if options:
                run_backend("-m", "app.seed", *options, database_url=url)
            settings = {
                "DATABASE_URL": url,
                "SECRET_KEY": "a key for tests, long enough to sign",
                "LOG_DIR": str(tmp_path_factory.mktemp("logs")),
                "STORAGE_DIR": str(tmp_path_factory.mktemp("audio")),
                "RATE_LIMIT_DEFAULT": "100/second",  # users wait for Retry-After
                "JOB_WORKER": "false",  # these tests wait for no transcript
            }
            service = Service(environment=settings)
            stack.callback(service.stop)
            service.start()
            return service

        yield start_with


@pytest.fixture(scope="module")
def one_account(start: Start) -> Service:
    """The service with the test account only, which has sessions."""
    return start("--users", "0", "--sessions", "60")


def setup_error(test: str, url: str, results: Path, **env: str) -> str:
    """Run a load test whose setup fails, and return the error message."""
    code, output = run_load_tests([test], url, results, env=env)
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "Traceback" not in output
    _, _, failure = output.partition(f" test_{test} _")
    (result,) = (json.loads(file.read_text()) for file in results.glob("*.json"))
    assert result["verdict"]["grade"] == "invalid"
    assert result["metrics"]["total_requests"] == 0
    return failure.splitlines()[1]


def test_wrong_password(one_account: Service, tmp_path: Path):
    """A wrong password is reported with the variables for the account and its password."""
    line = setup_error(
        "concurrent_sessions", one_account.url, tmp_path, TEST_USER_PASSWORD="not this one"
    )
    assert "the service rejects the password of test@example.com" in line
    assert "TEST_USER_EMAIL and TEST_USER_PASSWORD" in line
    assert "not this one" not in line


def test_empty_database(start: Start, tmp_path: Path):
    """A database without accounts is reported with the command to seed it."""
    line = setup_error("concurrent_sessions", start().url, tmp_path)
    assert "the service rejects the password of test@example.com" in line
    assert "`python -m app.seed`" in line


def test_account_without_sessions(start: Start, tmp_path: Path):
    """An account without sessions is reported with the command to seed the database."""
    service = start("--users", "0", "--sessions", "0")
    line = setup_error("concurrent_sessions", service.url, tmp_path)
    assert "test@example.com has no sessions" in line
    assert "`python -m app.seed`" in line


def test_missing_recording(one_account: Service, tmp_path: Path):
    """A missing recording is reported with the command to restore it."""
    folder = tmp_path / "performance"
    shutil.copytree(PERFORMANCE, folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
    (folder / "audio" / "speech.ogg").unlink()
    code, output = run_load_tests(
        ["concurrent_uploads"], one_account.url, tmp_path / "results", folder=folder
    )
    assert code == pytest.ExitCode.TESTS_FAILED, output
    assert "Traceback" not in output
    assert f"no audio to upload: speech.ogg missing from {folder / 'audio'}" in output
    assert f"try: git checkout -- {folder / 'audio'}" in output


def test_one_account_for_all_users(one_account: Service, tmp_path: Path):
    """With only the test account, the load runs and the result has a note about it."""
    env = {"JOB_TIMEOUT_S": "0"}  # there is no job worker
    _, output = run_load_tests(["concurrent_uploads"], one_account.url, tmp_path, env=env)
    (result,) = (json.loads(file.read_text()) for file in tmp_path.glob("*.json"))
    assert result["status_codes"] == {"202": 30}, output
    (note,) = (
        reason for reason in result["validity"]["reasons"] if reason["reason"] == "single_account"
    )
    assert note["severity"] == "note"
    assert note["message"].startswith("10 users share 1 account: per-user limits trigger earlier")
