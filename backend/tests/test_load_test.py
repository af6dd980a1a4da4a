"""The Locust file as engineers run it, against the real service, which tells what it was asked."""

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

LOAD_USERS = 200
LIMIT = "30/6second"
"""Of each user: Retry-After is waited out."""

COUNTED = re.compile(
    r'^http_requests_total{method="(\w+)",route="(\S+)",status="(\d+)"} (\S+)$', re.MULTILINE
)

CUSTOM = """
    @task(5)
    @tag("custom")
    def my_own(self):
        self.client.get("/live")
"""


async def make_log_ins_cheap(url: str) -> None:
    """Give all accounts a hash of the same password that is quick to check."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "UPDATE users SET password_hash = $1", FAST_HASHER.hash("TestPass123!")
    )
    await connection.close()


@pytest.fixture(scope="module")
def settings(
    make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """Of a service on a seeded database."""
    url = make_database()
    run_backend("-m", "app.seed", "--sessions", "1000", database_url=url)
    asyncio.run(make_log_ins_cheap(url))
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
    """The service, as it is."""
    service = Service(environment=settings)
    service.start()
    yield service
    service.stop()


class Counts:
    """What the service has been asked since this was made."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._before = self._now()

    @classmethod
    def zero(cls, service: Service) -> Self:
        """Since the service began."""
        counts = cls(service)
        counts._before = {}
        return counts

    def _now(self) -> dict[tuple[str, str], float]:
        _, text = self._service.get("/metrics")
        return {(route, status): float(n) for _, route, status, n in COUNTED.findall(text)}

    def of(self, route: str, status: int) -> int:
        """Requests of a route that were answered so."""
        key = route, str(status)
        return round(self._now().get(key, 0) - self._before.get(key, 0))

    def all_of(self, status: int) -> int:
        """Requests below /api/ that were answered so."""
        routes = {route for route, _ in self._now() if route.startswith("/api/")}
        return sum(self.of(route, status) for route in routes)


def play_until(
    seen: Callable[[], bool],
    service: Service,
    results: Path,
    *given: str,
    folder: Path = PERFORMANCE,
) -> dict[str, Any]:
    """Run Locust until something was seen, then stop it as a scheduler does; gives its result."""
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "locust", "-f", str(folder / "load_test.py")),
            *("--headless", "--only-summary", "--stop-timeout", "60"),
            *("--host", service.url, "--load-results", str(results), *given),
        ],
        cwd=BACKEND,
        env=os.environ | {"RATE_LIMIT_DEFAULT": LIMIT},  # which the journeys read, too
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        give_up_at = time.monotonic() + DEADLINE_S
        while not seen():
            assert run.poll() is None, run.communicate()[0]
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        output, _ = run.communicate(timeout=DEADLINE_S)
    finally:
        run.kill()
    files = list(results.glob("metrics_*.json"))
    assert len(files) == 1, output
    result: dict[str, Any] = json.loads(files[0].read_text())
    return result


def test_log_in_limit_at_any_spawn_rate(service: Service, tmp_path: Path):
    """250 users at once log in once for each account, and none meets the limit of log-ins."""
    counts = Counts(service)
    login, users = "/api/v1/auth/login", LOAD_USERS + 50
    asked_before = 3 * (LOAD_USERS + 1)  # a log-in and two lists for each account

    def all_at_work() -> bool:
        return counts.all_of(200) > asked_before + users

    result = play_until(
        all_at_work,
        service,
        tmp_path,
        *("--tags", "read", "--users", str(users), "--spawn-rate", str(users)),
    )
    assert counts.of(login, 200) == LOAD_USERS + 1
    assert counts.of(login, 429) == 0
    assert set(result["phases"]["setup"]["status_codes"]) == {"200"}


def test_refused_tokens_are_renewed(settings: dict[str, str], tmp_path: Path):
    """A service that comes back with another key refuses each token once, and each is renewed."""
    first = Service(environment=settings)
    second = Service(environment=settings | {"SECRET_KEY": "another key for tests, long enough"})
    second.port, second.url = first.port, first.url
    first.start()
    counts, began = Counts(first), False

    def renewed() -> bool:
        nonlocal began
        if not began and counts.of("/api/sessions/", 200) > 10:
            first.stop()
            second.start()
            began = True
        return began and Counts.zero(second).of("/api/sessions/", 200) > 20

    try:
        play_until(
            renewed,
            first,
            tmp_path,
            *("--tags", "read", "--users", "5", "--spawn-rate", "5"),
        )
        since = Counts.zero(second)
        assert 0 < since.all_of(401) <= 5
        assert since.of("/api/v1/auth/refresh", 200) == since.all_of(401)
    finally:
        first.stop()
        second.stop()


def test_custom_scenario(service: Service, tmp_path: Path):
    """A task and a tag added to the file are what --tags plays, and nothing else."""
    folder = tmp_path / "performance"
    shutil.copytree(PERFORMANCE, folder, ignore=shutil.ignore_patterns("results", "__pycache__"))
    file = folder / "load_test.py"
    text = file.read_text()
    place = text.index('\n    @task(5)\n    @tag("health")')
    file.write_text(text[:place] + CUSTOM + text[place:])
    counts = Counts(service)
    result = play_until(
        lambda: counts.of("/live", 200) > 3,
        service,
        tmp_path / "results",
        *("--tags", "custom", "--users", "3", "--spawn-rate", "3"),
        folder=folder,
    )
    assert set(result["endpoints"]) == {"GET /live"}
    assert result["metrics"]["total_requests"] == counts.of("/live", 200)


def test_rate_limit_beside_other_users(service: Service, tmp_path: Path):
    """One user meets the limit, which is judged, whoever else plays; others are not refused.

    So is the pool, since users were there that came all at once to wear it out.
    """
    counts = Counts(service)
    result = play_until(
        lambda: counts.of("/api/sessions/", 429) > 0,
        service,
        tmp_path,
        *("--tags", "rate_limit", "db_pool", "--users", "6", "--spawn-rate", "6"),
    )
    grades = {each["rule"]: each["grade"] for each in result["verdict"]["findings"]}
    for rule in ("first 429", "Retry-After", "other users", "pool queue"):
        assert grades[rule] == "target", result["verdict"]["findings"]
