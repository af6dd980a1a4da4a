"""Roles of the database and the password of Redis in `deploy/`, created on real servers."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx2
import pytest
from app.main import create_app
from app.seed.__main__ import seed
from app.settings import Settings
from deployment import DEPLOY, containers
from recordings import make_patient, upload
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError
from service import BACKEND, DEADLINE_S, account, client_of, run_backend
from straingauge.target.binaries import find_binaries
from straingauge.target.ports import free_port

pytestmark = pytest.mark.e2e

ROLES = ("owner", "service", "observer")
MakeUrl = Callable[[str], str]


@pytest.fixture(scope="module")
def url_of(server_url: str) -> Iterator[MakeUrl]:
    """Creates URLs for the roles of a database that was set up and migrated as in `deploy/`."""
    name = f"deploy_{os.getpid()}"
    sql = (DEPLOY / "roles.sql").read_text().replace("therapybridge", name)
    sql = sql.replace("CREATE EXTENSION", "CREATE EXTENSION IF NOT EXISTS")  # from template1
    passwords = {role: f"{role}-password" for role in ROLES}
    parts = urlsplit(server_url)

    def psql(database: str, text: str) -> None:
        url = parts._replace(path=f"/{database}").geturl()
        subprocess.run(
            [find_binaries().bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", url],
            input=text,
            env=os.environ | {f"{key.upper()}_PASSWORD": passwords[key] for key in ROLES},
            text=True,
            check=True,
        )

    def make(role: str) -> str:
        user = name if role == "service" else f"{name}_{role}"
        return f"postgresql://{user}:{passwords[role]}@{parts.hostname}:{parts.port}/{name}"

    psql("postgres", f"CREATE DATABASE {name}")
    try:
        psql(name, sql)
        run_backend("-m", "alembic", "upgrade", "head", database_url=make("owner"))
        yield make
    finally:
        roles = f"{name}, {name}_owner, {name}_observer"
        psql("postgres", f"DROP DATABASE {name} WITH (FORCE); DROP ROLE IF EXISTS {roles};")


@pytest.fixture
async def client(
    url_of: MakeUrl, make_settings: Callable[..., Settings]
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the service, with its worker, as the service's role."""
    settings = make_settings(
        database_url=url_of("service"),
        job_worker=True,
        rate_limit_storage="postgres",
        rate_limit_default="100000/minute",  # the test asks again and again
    )
    application = create_app(settings)
    async with application.router.lifespan_context(application), client_of(application) as client:
        yield client


async def test_service_needs_no_more_rights(client: httpx2.AsyncClient):
    """The service and its worker process a recording with the rights of the service's role."""
    assert (await client.get("/ready")).status_code == 200
    headers = await account(client)
    speech = (BACKEND / "tests/performance/audio/speech.wav").read_bytes()
    session_id = await upload(client, headers, await make_patient(client, headers), speech)
    deadline_s = time.monotonic() + DEADLINE_S
    status = "uploading"
    while status != "processed":
        assert status != "failed"
        assert time.monotonic() < deadline_s, status
        await asyncio.sleep(0.1)
        response = await client.get(f"/api/sessions/{session_id}", headers=headers)
        assert response.status_code == 200, response.text
        status = response.json()["status"]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("service", "CREATE TABLE mine (id int)"),
        ("service", "ALTER TABLE users ADD COLUMN more int"),
        ("service", "DROP TABLE notes"),
        ("service", "TRUNCATE sessions"),
        ("service", "SET ROLE pg_write_server_files"),
        ("service", "COPY users TO PROGRAM 'cat'"),
        ("service", "CREATE TEMPORARY TABLE mine (id int)"),
        ("observer", "SELECT count(*) FROM users"),
        ("observer", "DELETE FROM rate_limits"),
        ("owner", "CREATE ROLE other"),
        ("owner", "SELECT pg_read_file('/etc/passwd')"),
    ],
)
async def test_roles_have_no_more_rights(url_of: MakeUrl, role: str, statement: str):
    """The service cannot change tables, the observer reads no rows, and none is a superuser."""
    connection = await asyncpg.connect(url_of(role))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_observer_reads_statistics(url_of: MakeUrl):
    """The observer of a load test reads the statements of all roles."""
    connection = await asyncpg.connect(url_of("observer"))
    try:
        found = await connection.fetch("SELECT query FROM pg_stat_statements")
    finally:
        await connection.close()
    assert any("CREATE TABLE users" in row["query"] for row in found)


async def test_owner_seeds(url_of: MakeUrl):
    """The seed works with the rights of the owner of the tables."""
    assert (await seed(url_of("owner"), users=1, sessions=3))["sessions"] == 3


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    """Port of a Redis that was started by the command in compose.yaml, with the password `a`."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt install redis-server")
    (container,) = (each for each in containers() if each.where == "compose.yaml redis")
    port = free_port()
    *shell, command = container.words
    command = command.replace("$$", "$").replace("--save", f"--port {port} --bind 127.0.0.1 --save")
    process = subprocess.Popen(
        [*shell, command],
        cwd=tmp_path,
        env=os.environ | {"REDISCLI_AUTH": "a"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Ready to accept connections" in line:
                break
        yield port
    finally:
        process.terminate()  # which reaches Redis itself, because it has replaced the shell
        process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0


async def test_redis_needs_its_password(redis_port: int):
    """Counters in Redis can be read only with the password."""
    async with Redis.from_url(f"redis://:a@127.0.0.1:{redis_port}") as redis:
        assert await redis.incr("a") == 1
    for user in ("", ":b@"):
        async with Redis.from_url(f"redis://{user}127.0.0.1:{redis_port}") as redis:
            with pytest.raises(AuthenticationError):
                await redis.incr("a")
