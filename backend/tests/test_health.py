import json
from collections.abc import Awaitable, Callable

import asyncpg
import httpx2
import pytest
from app.health import schema
from service import Service
from straingauge.target.ports import free_port

Open = Callable[..., Awaitable[httpx2.AsyncClient]]


async def execute(database_url: str, statement: str) -> None:
    """Change the database behind the service's back."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(statement)
    await connection.close()


async def test_health_asks_the_database(client: httpx2.AsyncClient):
    """/health says that the database answers, and shows the pool and the limits."""
    health = await client.get("/health")
    assert health.status_code == 200
    body = health.json()
    assert (body["status"], body["database"]["status"]) == ("ok", "ok")
    assert body["pool"] == {"size": 10, "in_use": 0, "overflow": 0, "waiting": 0, "refusals": 0}
    assert body["rate_limit"] == {"enabled": True, "shared": False, "warning": None}


async def test_health_asks_each_time(client: httpx2.AsyncClient, database_url: str):
    """A schema that is lost between two health checks is missed by the second."""
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
async def test_a_wrong_schema_is_503_with_the_next_command(
    client: httpx2.AsyncClient, database_url: str, statement: str, code: str
):
    """Without this code's schema neither /ready nor /health is well, and both say what to run."""
    await execute(database_url, statement)
    health, ready = await client.get("/health"), await client.get("/ready")
    assert (health.status_code, ready.status_code) == (503, 503)
    assert health.json()["database"]["status"] == ready.json()["error"]["code"] == code
    for text in (health.json()["database"]["message"], ready.json()["error"]["message"]):
        assert "python -m alembic upgrade head" in text


async def test_live_touches_nothing(open_client: Open):
    """/live answers 200 also when the database is away, and opens no connection."""
    client = await open_client(
        database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
    )
    answer = await client.get("/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert answer.headers["server-timing"].startswith("pool;dur=0.000, db;dur=0.000")


async def test_root_says_where_to_look(client: httpx2.AsyncClient):
    """/ names the service and its documentation, which is there."""
    root = (await client.get("/")).json()
    assert root["service"] == "TherapyBridge"
    assert (await client.get(root["documentation"])).status_code == 200


def test_the_newest_migration_is_known():
    """The code knows its newest migration from the files themselves."""
    assert schema.head() is not None


def test_the_service_starts_and_stops_by_ctrl_c(serve: Callable[..., Service]):
    """`uvicorn app.main:app` serves until Ctrl-C and then ends without a traceback."""
    service = serve()
    assert httpx2.get(f"{service.url}/ready").json() == {"status": "ready"}
    output = service.output()
    assert service.stop() in {0, -2, 130}
    assert "Traceback" not in output


def test_without_its_database_the_service_starts_all_the_same(serve: Callable[..., Service]):
    """A service whose database is away starts, and says so in /health."""
    service = serve(DATABASE_URL=f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere")
    health = httpx2.get(f"{service.url}/health")
    assert health.status_code == 503
    assert json.loads(health.text)["database"]["status"] == "database_unavailable"
