"""The Locust file, run against the real service, whose metrics count the requests."""

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import asyncpg
import pytest
from service import DEADLINE_S, Service, run_backend
from tests.performance.fault_injection.service_factory import FAST_HASHER
from tests.performance.fault_injection.suite import BACKEND, PERFORMANCE

pytestmark = pytest.mark.e2e

LOAD_USERS = 200
LIMIT = "30/6second"
"""Rate limit of each user, with a short window, because users wait for Retry-After."""

COUNTED = re.compile(
    r'^http_requests_total{method="(\w+)",route="(\S+)",status="(\d+)"} (\S+)$', re.MULTILINE
)

CUSTOM = """
    @task(5)
    @tag("custom")
    def my_own(self):
        self.client.get("/live")
"""


async def use_fast_password_hashes(url: str) -> None:
    """Store a hash of the same password for all accounts that is fast to verify."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "UPDATE users SET password_hash = $1", FAST_HASHER.hash("TestPass123!")
    )
    await connection.close()


@pytest.fixture(scope="module")
def settings(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Settings of a service with a seeded database."""
    url = make_database()
    run_backend("-m", "app.seed", "--sessions", "1000", database_url=url)
    asyncio.run(use_fast_password_hashes(url))
    return {
        "DATABASE_URL": url,
        "SECRET_KEY": "a key for tests, long enough to sign",
        "LOG_DIR": str(tmp_path_factory.mktemp("logs")),
        "STORAGE_DIR": str(tmp_path_factory.mktemp("audio")),
        "JOB_WORKER": "false",
        "RATE_LIMIT_DEFAULT": LIMIT,
    }


@pytest.fixture(scope="module")
def service(settings: dict[str, str]) -> Iterator[Service]:
    """The service."""
    service = Service(environment=settings)
    service.start()
    yield service
    service.stop()


class Counts:
    """Requests of the service since the creation of this object."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before = self._now()

    @classmethod
    def since_start(cls, service: Service) -> Self:
        """Create counts since the start of the service."""
        counts = cls(service)
        counts._before = {}
        return counts

    def _now(self) -> dict[tuple[str, str], float]:
        _, text = self._service.get("/metrics")
        return {(route, status): float(n) for _, route, status, n in COUNTED.findall(text)}

    def of(self, route: str, status: int) -> int:
        """Return the requests of a route with a status."""
        key = route, str(status)
        return round(self._now().get(key, 0) - self._before.get(key, 0))

    def all_of(self, status: int) -> int:
        """Return the requests of all routes below /api/ with a status."""
        routes = {route for route, _ in self._now() if route.startswith("/api/")}
        return sum(self.of(route, status) for route in routes)


def run_until(
    condition: Callable[[], bool],
    service: Service,
    results: Path,
    *options: str,
    folder: Path = PERFORMANCE,
) -> dict[str, Any]:
    """Run Locust until a condition is true, stop it with SIGTERM and return its result."""
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "locust", "-f", str(folder / "load_test.py")),
            *("--headless", "--only-summary", "--stop-timeout", "60"),
            *("--host", service.url, "--load-results", str(results), *options),
        ],
        cwd=BACKEND,
        env=os.environ | {"RATE_LIMIT_DEFAULT": LIMIT},  # read by the journeys, too
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert run.poll() is None, run.communicate()[0]
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        output, _ = run.communicate(timeout=DEADLINE_S)
    finally:
        run.kill()
    files = list(results.glob("metrics_*.json"))
    assert len(files) == 1, output
    result: dict[str, Any] = json.loads(files[0].read_text())
    return result


@pytest.mark.serial  # where the service has no core, it refuses log-ins that wait for a connection
def test_users_log_in_once_per_account(service: Service, tmp_path: Path):
    """250 users that start together log in once per account and do not reach the login limit."""
    counts = Counts(service)
    login, users = "/api/v1/auth/login", LOAD_USERS + 50
    setup_requests = 3 * (LOAD_USERS + 1)  # a login and two lists per account

    def all_users_run() -> bool:
        return counts.all_of(200) > setup_requests + users

    result = run_until(
        all_users_run,
        service,
        tmp_path,
        *("--tags", "read", "--users", str(users), "--spawn-rate", str(users)),
    )
    assert counts.of(login, 200) == LOAD_USERS + 1
    assert counts.of(login, 429) == 0
    assert set(result["phases"]["setup"]["status_codes"]) == {"200"}


def test_rejected_tokens_are_renewed(settings: dict[str, str], tmp_path: Path):
    """After a restart with another key, each token is rejected once and then renewed."""
    first = Service(environment=settings)
    second = Service(environment=settings | {"SECRET_KEY": "another key for tests, long enough"})
    second.port, second.url = first.port, first.url
    first.start()
    counts, is_restarted = Counts(first), False

    def renewed() -> bool:
        nonlocal is_restarted
        if not is_restarted and counts.of("/api/sessions/", 200) > 10:
            first.stop()
            second.start()
            is_restarted = True
        return is_restarted and Counts.since_start(second).of("/api/sessions/", 200) > 20

    try:
        run_until(
            renewed,
            first,
            tmp_path,
            *("--tags", "read", "--users", "5", "--spawn-rate", "5"),
        )
        since = Counts.since_start(second)
        assert 0 < since.all_of(401) <= 5
        assert since.of("/api/v1/auth/refresh", 200) == since.all_of(401)
    finally:
        first.stop()
        second.stop()


def test_custom_task(service: Service, tmp_path: Path):
    """With the tag of an added task, only this task runs."""
    folder = tmp_path / "performance"
    shutil.copytree(PERFORMANCE, folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
    file = folder / "load_test.py"
    text = file.read_text()
    position = text.index('\n    @task(5)\n    @tag("health")')
    file.write_text(text[:position] + CUSTOM + text[position:])
    counts = Counts(service)
    result = run_until(
        lambda: counts.of("/live", 200) > 3,
        service,
        tmp_path / "results",
        *("--tags", "custom", "--users", "3", "--spawn-rate", "3"),
        folder=folder,
    )
    assert set(result["endpoints"]) == {"GET /live"}
    assert result["metrics"]["total_requests"] == counts.of("/live", 200)


def test_rate_limit_with_other_users(service: Service, tmp_path: Path):
    """Rate limit and connection pool are evaluated in one run, and other users are unaffected."""
    counts = Counts(service)
    result = run_until(
        lambda: counts.of("/api/sessions/", 429) > 0,
        service,
        tmp_path,
        *("--tags", "rate_limit", "db_pool", "--users", "6", "--spawn-rate", "6"),
    )
    grades = {finding["rule"]: finding["grade"] for finding in result["verdict"]["findings"]}
    for rule in ("first 429", "Retry-After", "other users", "pool queue"):
        assert grades[rule] == "target", result["verdict"]["findings"]
