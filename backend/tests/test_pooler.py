"""The service behind PgBouncer in transaction mode, with fewer connections than requests."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import asyncpg
import httpx2
import pytest
from app import pooler
from app.settings import Settings
from recordings import upload, wav
from service import BACKEND, DEADLINE_S, run_backend
from straingauge.observe.postgres import Database
from straingauge.target.pgbouncer import HINT, PgBouncer, find_pgbouncer

needs_pgbouncer = pytest.mark.skipif(find_pgbouncer() is None, reason=f"no PgBouncer: {HINT}")
REQUESTS = 400


@pytest.fixture(scope="module")
def pgbouncer(server_url: str) -> Iterator[PgBouncer]:
    """A pooler in transaction mode with three connections for each database."""
    with PgBouncer(server_url, pool_size=3) as started:
        yield started


@pytest.fixture
def pooled_url(pgbouncer: PgBouncer, database_url: str) -> str:
    """URL of the test's database behind the pooler."""
    return f"{pgbouncer.url.rsplit('/', 1)[0]}/{database_url.rsplit('/', 1)[1]}"


@pytest.fixture
def settings(make_settings: Callable[..., Settings], pooled_url: str) -> Settings:
    """Settings of a service behind the pooler that counts requests in PostgreSQL."""
    return make_settings(
        database_url=pooled_url, rate_limit_storage="postgres", rate_limit_default="100000/minute"
    )


@needs_pgbouncer
@pytest.mark.e2e
async def test_pooler_is_detected(make_settings: Callable[..., Settings], pooled_url: str):
    """PgBouncer is detected, a direct connection is not, and the setting overrules both."""
    assert await pooler.uses_pooler(make_settings(database_url=pooled_url))
    assert not await pooler.uses_pooler(make_settings())
    off = make_settings(database_url=pooled_url, db_transaction_pooler=False)
    assert not await pooler.uses_pooler(off)
    assert await pooler.uses_pooler(make_settings(db_transaction_pooler=True))


@needs_pgbouncer
async def test_every_request_succeeds_behind_pgbouncer(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """Of 400 reads and writes, 20 at a time over three connections, all succeed."""
    session_id = await upload(client, ann, patient_id, wav())
    turns = asyncio.Semaphore(20)
    paths = (
        "/api/sessions/",
        "/api/patients/?limit=1",
        f"/api/sessions/{session_id}",
        f"/api/patients/{patient_id}/sessions",
        "/api/v1/auth/me",
        "/ready",
        "/metrics",
    )

    async def call(number: int) -> int:
        async with turns:
            if number % 8 == 7:
                body = {"therapist_notes": str(number)}
                path = f"/api/sessions/{session_id}"
                return (await client.patch(path, json=body, headers=ann)).status_code
            return (await client.get(paths[number % 8], headers=ann)).status_code

    statuses = Counter(await asyncio.gather(*map(call, range(REQUESTS))))
    assert statuses == {200: REQUESTS}


@needs_pgbouncer
async def test_observer_does_not_disturb_the_service(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, pooled_url: str
):
    """Writes succeed while straingauge observes the database through the same connections."""
    session_id = await upload(client, ann, patient_id, wav())
    observer = Database(pooled_url)
    await asyncio.to_thread(observer.begin)
    statuses: Counter[int] = Counter()
    for number in range(40):
        body = {"therapist_notes": str(number)}
        path = f"/api/sessions/{session_id}"
        response, sample = await asyncio.gather(
            client.patch(path, json=body, headers=ann), asyncio.to_thread(observer.sample)
        )
        statuses[response.status_code] += 1
        assert sample["db_reachable"] == 1
    await asyncio.to_thread(observer.end)
    observer.close()
    assert statuses == {200: 40}
    assert observer.stats().behind_pooler


@needs_pgbouncer
async def test_pooler_keeps_no_prepared_statements(
    client: httpx2.AsyncClient, ann: dict[str, str], pooled_url: str
):
    """The service leaves no prepared statement and no LISTEN on connections of the pooler."""
    for path in ("/api/sessions/", "/api/patients/", "/ready", "/metrics"):
        await client.get(path, headers=ann)
    connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
    try:
        for _ in range(3):
            assert await connection.fetch("SELECT name FROM pg_prepared_statements") == []
            assert await connection.fetch("SELECT pg_listening_channels()") == []
    finally:
        await connection.close()


@needs_pgbouncer
@pytest.mark.e2e
async def test_jobs_run_behind_pgbouncer(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, settings: Settings
):
    """The worker finds a job by polling and runs it, and is still alive afterwards."""
    session_id = await upload(client, ann, patient_id, wav())
    environment = {
        "DATABASE_URL": settings.driver_url,
        "STORAGE_DIR": str(settings.storage_dir),
        "LOG_DIR": str(settings.log_dir),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.jobs.worker"), cwd=BACKEND, env=os.environ | environment
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                response = await client.get(f"/api/sessions/{session_id}", headers=ann)
                if response.json()["status"] in {"processed", "failed"}:
                    break
                await asyncio.sleep(0.2)
    finally:
        assert process.returncode is None
        process.terminate()
        assert await process.wait() == 0


@needs_pgbouncer
@pytest.mark.e2e
def test_migrations_and_seed_run_behind_pgbouncer(pooled_url: str):
    """The commands for the schema and for sample data work through the pooler, also again."""
    for arguments in (
        ("-m", "alembic", "downgrade", "base"),
        ("-m", "alembic", "upgrade", "head"),
        ("-m", "app.seed", "--sessions", "20", "--users", "1"),
        ("-m", "app.seed", "--sessions", "30", "--users", "1"),
    ):
        run_backend(*arguments, database_url=pooled_url)
