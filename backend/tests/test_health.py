import httpx2


async def test_health_asks_the_database(client: httpx2.AsyncClient):
    """/health says that the database answers, and shows the pool."""
    health = await client.get("/health")
    assert health.status_code == 200
    assert health.json()["database"]["status"] == "ok"
    assert health.json()["pool"]["size"] == 10
