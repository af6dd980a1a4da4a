"""Fixtures: one PostgreSQL server, a database for each test, and the service."""

import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx2
import hypothesis
import pytest
from app.auth import passwords
from app.main import create_app
from app.settings import Settings, load_settings
from argon2 import PasswordHasher
from databases import Databases
from fastapi import FastAPI
from inherited_signals import accept_signals
from preloaded import install
from recordings import make_patient
from service import Service, account, client_of, run_backend
from xdist_groups import (
    pytest_collection_modifyitems,
    pytest_make_parametrize_id,
    pytest_runtest_setup,
)

from straingauge import Postgres

__all__ = ["pytest_collection_modifyitems", "pytest_make_parametrize_id", "pytest_runtest_setup"]

accept_signals()

# Tests start hundreds of pytest sessions, each of which this plugin would delay by a second.
os.environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:schemathesis"

# No deadline, because examples can take any time on a shared machine. The examples are the same
# each time, so that a run judges the change, not its luck.
hypothesis.settings.register_profile("backend", deadline=None, derandomize=True)
hypothesis.settings.register_profile("random", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "backend"))

QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
QUICK_DUMMY_HASH = QUICK_HASHER.hash("the password of no account")

SERVICE = (
    *("fastapi", "uvicorn", "uvloop", "httptools", "sqlalchemy.ext.asyncio", "asyncpg", "argon2"),
    *("alembic.config", "pgqueuer.queries", "pydantic_settings", "limits.aio", "orjson", "jwt"),
    *("prometheus_client", "httpx2", "psutil", "sqlalchemy.dialects.postgresql.asyncpg"),
)
# Without straingauge: pytest warns of plugins that are imported before it starts.
LOAD_TESTS = (
    *("pytest", "numpy", "orjson", "psutil", "rich.console", "jinja2", "click", "httptools"),
    *("uvloop", "execnet"),
)
PRELOADED = {
    **dict.fromkeys(("app.serve", "uvicorn", "alembic", "app.seed"), SERVICE),
    "pytest": LOAD_TESTS,
}


def pytest_configure(config: pytest.Config) -> None:
    """Start programs as forks of a process with their libraries, until the session ends."""
    config.add_cleanup(install(PRELOADED))


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """URL of a PostgreSQL server: DATABASE_URL, or a temporary one."""
    url = os.environ.get("DATABASE_URL")
    if url is not None:
        yield url
        return
    with Postgres(durable=False, max_connections=200) as server:
        yield server.url


@pytest.fixture(scope="session")
def databases(server_url: str) -> Iterator[Databases]:
    """Migrated, empty databases."""
    databases = Databases(server_url, f"test_{os.getpid()}")
    run_backend("-m", "alembic", "upgrade", "head", database_url=databases.template_url)
    yield databases
    if "DATABASE_URL" in os.environ:  # a temporary server is removed as a whole
        databases.drop()


@pytest.fixture(scope="session")
def make_database(databases: Databases) -> Callable[[], str]:
    """Creates migrated, empty databases."""
    return databases.create


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """URL of a migrated, empty database, which other tests use before and after."""
    with databases.use() as url:
        yield url


@pytest.fixture(autouse=True)
def quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in this process with little work: most tests only need an account.

    Files that test hashing override this fixture.
    """
    monkeypatch.setattr(passwords, "_hasher", QUICK_HASHER)
    monkeypatch.setattr(passwords, "_dummy_hash", lambda: QUICK_DUMMY_HASH)


@pytest.fixture
def make_settings(database_url: str, tmp_path: Path) -> Callable[..., Settings]:
    """Creates settings for a service in this process; arguments override the defaults."""

    def make(**overrides: Any) -> Settings:  # noqa: ANN401 -- the settings check each value
        defaults: dict[str, Any] = {
            "database_url": database_url,
            "secret_key": "a key for tests, long enough to sign",
            "log_dir": tmp_path / "logs",
            "storage_dir": tmp_path / "audio",
            "job_worker": False,
        }
        return load_settings(**(defaults | overrides))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings of `app`. Test files can override this fixture."""
    return make_settings()


@pytest.fixture
async def open_client(
    make_settings: Callable[..., Settings],
) -> AsyncIterator[Callable[..., Awaitable[httpx2.AsyncClient]]]:
    """Starts the service in this process with the given settings, and returns a client."""
    async with AsyncExitStack() as stack:

        async def open_with(
            prepare: Callable[[FastAPI], None] = lambda _app: None,
            **overrides: Any,  # noqa: ANN401 -- the settings check each value
        ) -> httpx2.AsyncClient:
            application = create_app(make_settings(**overrides))
            prepare(application)
            await stack.enter_async_context(application.router.lifespan_context(application))
            return await stack.enter_async_context(client_of(application))

        yield open_with
    logging.getLogger("app").setLevel(logging.NOTSET)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The service, running in this process."""
    application = create_app(settings)
    async with application.router.lifespan_context(application):
        yield application
    logging.getLogger("app").setLevel(logging.NOTSET)


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """HTTP client of `app`, without a network."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
def sign_up(client: httpx2.AsyncClient) -> Callable[..., Awaitable[dict[str, str]]]:
    """Creates an account, logs in and returns the headers for requests."""

    async def make(email: str = "ann@example.com", role: str = "therapist") -> dict[str, str]:
        return await account(client, email, role)

    return make


@pytest.fixture
async def ann(client: httpx2.AsyncClient) -> dict[str, str]:
    """Headers of Ann, who is a therapist."""
    return await account(client)


@pytest.fixture
async def patient_id(client: httpx2.AsyncClient, ann: dict[str, str]) -> str:
    """Id of a patient of Ann."""
    return await make_patient(client, ann)


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts the service in a separate process, on a free port."""
    started: list[Service] = []

    def start(*arguments: str, **environment: str) -> Service:
        defaults = {
            "DATABASE_URL": database_url,
            "LOG_DIR": str(tmp_path / "logs"),
            "STORAGE_DIR": str(tmp_path / "audio"),
            "SECRET_KEY": "a key for tests, long enough to sign",
            "JOB_WORKER": "false",
        }
        service = Service(*arguments, environment=defaults | environment)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.stop()
