"""A real PostgreSQL for all tests, a fresh database for each, and the service on top."""

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx2
import hypothesis
import pytest
from app.main import create_app
from app.settings import Settings, load_settings
from fastapi import FastAPI
from recordings import make_patient
from service import Service, account, client_of, run_backend

from straingauge import Postgres

T = TypeVar("T")

# A shared machine may take any time for an example; what is slow is measured by benchmarks.
hypothesis.settings.register_profile("backend", deadline=None)
hypothesis.settings.load_profile("backend")
_numbers = itertools.count(1)


@pytest.hookimpl(tryfirst=True)  # xdist looks at the groups after that
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a fixture of their module on one worker of xdist."""
    for item in items:
        info = item._fixtureinfo if isinstance(item, pytest.Function) else None
        fixtures = info.name2fixturedefs.values() if info else ()
        if any(fixture.scope == "module" for each in fixtures for fixture in each):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A PostgreSQL server: that of DATABASE_URL, or our own."""
    given = os.environ.get("DATABASE_URL")
    if given is not None:
        yield given
        return
    with Postgres(durable=False, max_connections=200) as server:
        yield server.url


def _at_server(url: str, *statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    _in_new_loop(run())


def _in_new_loop(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner() as runner:
        return runner.run(work)


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[Callable[[], str]]:
    """Makes migrated, empty databases by copying a template: some 50 ms each."""
    base = server_url.rsplit("/", 1)[0]
    prefix = f"test_{os.getpid()}"
    template = f"{prefix}_template"
    made = [template]
    _at_server(server_url, f"CREATE DATABASE {template}")
    run_backend("-m", "alembic", "upgrade", "head", database_url=f"{base}/{template}")

    def make() -> str:
        name = f"{prefix}_{next(_numbers)}"
        made.append(name)
        _at_server(server_url, f"CREATE DATABASE {name} TEMPLATE {template}")
        return f"{base}/{name}"

    yield make
    if "DATABASE_URL" in os.environ:  # a server of our own goes as a whole, which is quicker
        _at_server(server_url, *(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in made))


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    """A migrated, empty database of this test's own."""
    return make_database()


@pytest.fixture
def make_settings(database_url: str, tmp_path: Path) -> Callable[..., Settings]:
    """Settings for a service in this process; keyword arguments go before the defaults."""

    def make(**given: Any) -> Settings:  # noqa: ANN401 -- the settings check each value
        defaults: dict[str, Any] = {
            "database_url": database_url,
            "secret_key": "a key for tests, long enough to sign",
            "log_dir": tmp_path / "logs",
            "storage_dir": tmp_path / "audio",
            "job_worker": False,
        }
        return load_settings(**(defaults | given))

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """The settings of `app`; a test file overrides this fixture for others."""
    return make_settings()


@pytest.fixture
async def open_client(
    make_settings: Callable[..., Settings],
) -> AsyncIterator[Callable[..., Awaitable[httpx2.AsyncClient]]]:
    """Starts the service in this process; keyword arguments are settings. Gives its client."""
    async with AsyncExitStack() as stack:

        async def open_with(
            prepare: Callable[[FastAPI], None] = lambda _app: None,
            **given: Any,  # noqa: ANN401 -- the settings check each value
        ) -> httpx2.AsyncClient:
            application = create_app(make_settings(**given))
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
    """Requests to `app`, without a network between."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
def sign_up(client: httpx2.AsyncClient) -> Callable[..., Awaitable[dict[str, str]]]:
    """Makes an account and logs in; gives the headers that its requests send."""

    async def make(email: str = "ann@example.com", role: str = "therapist") -> dict[str, str]:
        return await account(client, email, role)

    return make


@pytest.fixture
async def ann(client: httpx2.AsyncClient) -> dict[str, str]:
    """Ann's headers; she is a therapist."""
    return await account(client)


@pytest.fixture
async def patient_id(client: httpx2.AsyncClient, ann: dict[str, str]) -> str:
    """A patient of Ann's."""
    return await make_patient(client, ann)


@pytest.fixture
def serve(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts the service as its own process, with workers, on a free port."""
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
