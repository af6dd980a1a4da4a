import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import asyncpg
import httpx2
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from app.health import schema
from service import BACKEND, Service
from straingauge.target.ports import free_port

Open = Callable[..., Awaitable[httpx2.AsyncClient]]


async def execute(database_url: str, statement: str) -> None:
    """Execute a statement on a separate connection."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()


async def test_health_reports_database_pool_and_limits(client: httpx2.AsyncClient):
    """/health reports the state of the database, the pool and the rate limits."""
    health = await client.get("/health")
    assert health.status_code == 200
    body = health.json()
    assert (body["status"], body["database"]["status"]) == ("ok", "ok")
    assert body["pool"] == {"size": 10, "in_use": 0, "overflow": 0, "waiting": 0, "refusals": 0}
    assert body["rate_limit"] == {"enabled": True, "shared": False, "warning": None}


async def test_health_is_not_cached(client: httpx2.AsyncClient, database_url: str):
    """A health check detects a schema that was dropped after the previous one."""
    assert (await client.get("/health")).status_code == 200
    await execute(database_url, "DROP TABLE alembic_version")
    assert (await client.get("/health")).status_code == 503


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DROP TABLE alembic_version", "schema_missing"),
        ("DELETE FROM alembic_version", "schema_missing"),
        ("UPDATE alembic_version SET version_num = '0000'", "schema_outdated"),
    ],
)
async def test_wrong_schema_is_503_with_the_command_to_run(
    client: httpx2.AsyncClient, database_url: str, statement: str, code: str
):
    """With another schema, /ready and /health are a 503 and name the command to run."""
    await execute(database_url, statement)
    health, ready = await client.get("/health"), await client.get("/ready")
    assert (health.status_code, ready.status_code) == (503, 503)
    assert health.json()["database"]["status"] == ready.json()["error"]["code"] == code
    for text in (health.json()["database"]["message"], ready.json()["error"]["message"]):
        assert "python -m alembic upgrade head" in text


async def test_live_does_not_use_the_database(open_client: Open):
    """/live is a 200 while the database is unavailable, and opens no connection."""
    client = await open_client(
        database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
    )
    response = await client.get("/live")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert response.headers["server-timing"].startswith("pool;dur=0.000, db;dur=0.000")


async def test_root_links_to_the_documentation(client: httpx2.AsyncClient):
    """/ returns the name of the service and the path of its documentation."""
    root = (await client.get("/")).json()
    assert root["service"] == "TherapyBridge"
    assert (await client.get(root["documentation"])).status_code == 200


def test_newest_migration_is_found():
    """The newest migration is the one that Alembic upgrades to."""
    config = Config(BACKEND / "alembic.ini")
    config.set_main_option("script_location", str(BACKEND / "migrations"))
    assert schema.head() == ScriptDirectory.from_config(config).get_current_head()


def test_service_stops_on_ctrl_c(serve: Callable[..., Service]):
    """`python -m app.serve` stops on Ctrl-C without a traceback."""
    service = serve()
    assert httpx2.get(f"{service.url}/ready").json() == {"status": "ready"}
    output = service.output()
    assert service.stop() in {0, -2, 130}
    assert "Traceback" not in output


def test_service_starts_without_its_database(serve: Callable[..., Service]):
    """The service starts while its database is unavailable, and /health reports it."""
    service = serve(DATABASE_URL=f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere")
    health = httpx2.get(f"{service.url}/health")
    assert health.status_code == 503
    assert json.loads(health.text)["database"]["status"] == "database_unavailable"


async def test_probes_share_one_connection(open_client: Open):
    """Many probes at once use one connection, and leave the pool to the requests of people."""
    client = await open_client(db_pool_size=5, db_max_overflow=0, db_pool_max_waiters=0)
    database = client._transport.app.state.database  # type: ignore[attr-defined]
    async with AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(database.driver_connection())
        paths = ("/ready", "/health") * 50
        probes = await asyncio.gather(*(client.get(path) for path in paths))
    assert {response.status_code for response in probes} == {200}
    assert database.pool.refusals == 0


async def test_end_of_one_probe_does_not_end_the_others(open_client: Open):
    """A client that disconnects during the check takes no result from other clients."""
    client = await open_client()
    check = client._transport.app.state.schema_check  # type: ignore[attr-defined]
    first, second = (asyncio.create_task(check.require()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_check_of_a_locked_table_ends(open_client: Open, database_url: str):
    """A database that does not respond makes /ready a 503 in time, and later checks succeed."""
    client = await open_client(db_connect_timeout=0.2)
    blocker = await asyncpg.connect(database_url)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE alembic_version")
        refused = await client.get("/ready")
    await blocker.close()
    code = refused.json()["error"]["code"]
    assert (refused.status_code, code) == (503, "database_unavailable")
    assert (await client.get("/ready")).status_code == 200
