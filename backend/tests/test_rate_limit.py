import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from app.database import Database
from app.jobs.maintenance import delete_expired_rows
from app.main import create_app
from app.middleware.rate_limit import LimitedRoute, limiter
from app.middleware.rate_limit_counters import RateLimits
from app.middleware.rate_limit_storage import MemoryStorage, PostgresStorage
from app.settings import Settings, SettingsError
from fastapi import FastAPI, Request
from service import PASSWORD, account
from straingauge.target.ports import free_port

ME, LOGIN = "/api/v1/auth/me", "/api/v1/auth/login"
Open = Callable[..., Awaitable[httpx2.AsyncClient]]


async def statuses(
    client: httpx2.AsyncClient, headers: dict[str, str], count: int, path: str = ME
) -> list[int]:
    """Send concurrent requests of a user and return the sorted status codes."""
    responses = await asyncio.gather(*(client.get(path, headers=headers) for _ in range(count)))
    return sorted(response.status_code for response in responses)


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_100_of_150_concurrent_requests_are_served(open_client: Open, storage: str):
    """Of 150 requests of a user 100 are served; another user is not affected."""
    client = await open_client(rate_limit_storage=storage)
    ann, ben = [await account(client, f"{name}@example.com") for name in ("ann", "ben")]
    assert await statuses(client, ann, 150) == [200] * 100 + [429] * 50
    assert await statuses(client, ben, 20) == [200] * 20


async def test_expired_counters_are_deleted(open_client: Open, app: FastAPI):
    """Maintenance deletes expired windows and keeps the open ones."""
    client = await open_client(rate_limit_storage="postgres")
    await account(client)
    database: Database = app.state.database
    async with database.driver_connection() as connection:
        await connection.execute(
            "INSERT INTO rate_limits (key, count, resets_at)"
            " VALUES ('expired', 1, now() - interval '1 s')"
        )
        open_windows = await connection.fetchval("SELECT count(*) - 1 FROM rate_limits")
        await delete_expired_rows(database)
        remaining = await connection.fetchval("SELECT count(*) FROM rate_limits")
    assert remaining == open_windows > 0


async def test_429_has_retry_after_and_ratelimit_headers(open_client: Open):
    """A 429 is JSON with a code, Retry-After in seconds and the RateLimit headers."""
    client = await open_client(rate_limit_default="2/minute")
    ann = await account(client)
    first, second, third = [await client.get(ME, headers=ann) for _ in range(3)]
    assert [response.headers["ratelimit-remaining"] for response in (first, second)] == ["1", "0"]
    assert third.status_code == 429
    assert third.json()["error"]["code"] == "rate_limited"
    assert third.headers["ratelimit-limit"] == "2"
    assert third.headers["ratelimit-remaining"] == "0"
    assert third.headers["retry-after"] == third.headers["ratelimit-reset"]
    assert 58 <= int(third.headers["retry-after"]) <= 60


async def test_request_after_retry_after_is_served(open_client: Open):
    """A request is refused before the end of Retry-After and served at its end."""
    now_s = [1000.0]

    def use_fake_clock(app: FastAPI) -> None:
        app.state.rate_limits.storage = MemoryStorage(clock=lambda: now_s[0])

    client = await open_client(use_fake_clock)
    ann = await account(client)
    assert await statuses(client, ann, 101) == [200] * 100 + [429]
    now_s[0] += 17.25
    refused = await client.get(ME, headers=ann)
    wait_s = int(refused.headers["retry-after"])
    now_s[0] += wait_s - 1
    assert (await client.get(ME, headers=ann)).status_code == 429
    now_s[0] += 1
    assert (await client.get(ME, headers=ann)).status_code == 200


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_retry_after_is_correct_in_real_time(open_client: Open, storage: str):
    """A request after waiting for Retry-After in real time is served."""
    client = await open_client(rate_limit_default="2/2second", rate_limit_storage=storage)
    ann = await account(client)
    responses = [await client.get(ME, headers=ann) for _ in range(3)]
    assert [response.status_code for response in responses] == [200, 200, 429]
    await asyncio.sleep(int(responses[2].headers["retry-after"]))
    assert (await client.get(ME, headers=ann)).status_code == 200


@pytest.mark.parametrize("rate", ["often", "", "100/fortnight"])
def test_invalid_rate_is_an_error_at_import(rate: str):
    """A rate that is neither valid nor the name of one raises an error."""
    with pytest.raises(ValueError, match=r"parse|granularity"):
        limiter.limit(rate)


async def test_literal_rate_applies_to_its_endpoint_only(open_client: Open):
    """`@limiter.limit("1/minute")` limits one endpoint, without affecting others."""

    async def ping(request: Request) -> str:
        return request.method

    def add(app: FastAPI) -> None:
        for path in ("/one", "/two"):
            app.add_api_route(path, limiter.limit("1/minute")(ping))
            ping.__qualname__ = "pong"

    client = await open_client(add)
    codes = [(await client.get(path)).status_code for path in ("/one", "/one", "/two")]
    assert codes == [200, 429, 200]


async def test_requests_without_token_are_limited_per_address(open_client: Open):
    """Requests without a valid token are limited per address over all endpoints."""
    client = await open_client(rate_limit_default="3/minute")
    paths = [ME, "/api/sessions/", "/api/patients/", ME]
    headers = {"Authorization": "Bearer guess"}
    codes = [(await client.get(path, headers=headers)).status_code for path in paths]
    assert codes == [401, 401, 401, 429]


async def test_health_is_never_limited(open_client: Open):
    """Health checks and metrics are not limited and have no RateLimit headers."""
    client = await open_client(rate_limit_default="1/minute")
    for path in ("/", "/live", "/ready", "/health", "/metrics") * 3:
        response = await client.get(path)
        assert response.status_code == 200
        assert "ratelimit-limit" not in response.headers


async def test_limits_can_be_disabled(open_client: Open):
    """With RATE_LIMIT_ENABLED=false no request is refused, and /health reports it."""
    client = await open_client(rate_limit_enabled=False, rate_limit_default="1/minute")
    ann = await account(client)
    assert await statuses(client, ann, 5) == [200] * 5
    assert (await client.get("/health")).json()["rate_limit"]["enabled"] is False


async def test_counters_in_postgres_contain_no_email_address(open_client: Open):
    """The key of a login counter does not contain the e-mail address."""
    client = await open_client(rate_limit_storage="postgres")
    await account(client, "ann@example.com")
    limits: RateLimits = client._transport.app.state.rate_limits  # type: ignore[attr-defined]
    assert isinstance(limits.storage, PostgresStorage)
    async with limits.storage._database.driver_connection() as connection:
        rows = await connection.fetch("SELECT key FROM rate_limits")
    keys = json.dumps([row["key"] for row in rows])
    assert len(rows) == 3  # sign-up, login and the address of the login
    assert "ann" not in keys


def test_missing_redis_client_is_reported(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
):
    """Redis as storage without its client is an error with the command to install it."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match="pip install redis"):
        create_app(make_settings(rate_limit_storage="redis://127.0.0.1:6379"))


REFUSED = [
    ("GET", "/api/sessions/not-an-id", 404),
    ("GET", "/api/sessions/?limit=many", 422),
    ("POST", "/api/patients/", 422),
    ("PUT", "/api/sessions/", 405),
    ("HEAD", ME, 405),
    ("OPTIONS", "/api/sessions/", 405),
    ("OPTIONS", "*", 404),
    ("GET", "/api/sessions", 307),
    ("GET", f"{ME}/", 307),
    ("GET", "/API/sessions/", 404),
    ("GET", "//api/sessions/", 404),
    ("GET", "/api//sessions/", 404),
    ("GET", "/api/%73essions/", 200),
    ("GET", "/api/sessions/%2e%2e/", 404),
    ("GET", "/favicon.ico", 404),
    ("POST", "/api/v1/auth/refresh", 422),
    ("POST", "/api/v1/auth/logout", 422),
]


@pytest.mark.parametrize(("method", "path", "status"), REFUSED)
async def test_refused_requests_are_counted(open_client: Open, method: str, path: str, status: int):
    """A request counts before it is validated, whatever its method and the spelling of its path."""
    client = await open_client(rate_limit_default="2/minute")
    ann = await account(client)
    headers = ann | {"X-HTTP-Method-Override": "GET"}
    responses = [await client.request(method, path, headers=headers) for _ in range(3)]
    assert [response.status_code for response in responses] == [status, status, 429]
    assert (await client.get(ME, headers=ann)).status_code == 429


async def test_requests_of_the_wrong_role_are_counted(open_client: Open):
    """A request that the role does not allow counts like any other."""
    client = await open_client(rate_limit_default="2/minute", rate_limit_upload="2/minute")
    patient = await account(client, role="patient")
    for path, method in (("/api/sessions/", "GET"), ("/api/sessions/upload", "POST")):
        responses = [await client.request(method, path, headers=patient) for _ in range(3)]
        assert [response.status_code for response in responses] == [403, 403, 429]


async def test_invalid_signups_are_counted(open_client: Open):
    """A sign-up counts for its address, also if it is invalid or the address is taken."""
    client = await open_client(rate_limit_signup="4/hour")
    await account(client)
    person = {"email": "ann@example.com", "password": PASSWORD, "full_name": "Ann"}
    bodies = [b"{", json.dumps(person).encode(), json.dumps({**person, "password": "a"}).encode()]
    headers = {"Content-Type": "application/json"}
    codes = [
        (await client.post("/api/v1/auth/signup", content=body, headers=headers)).status_code
        for body in (*bodies, bodies[1])
    ]
    assert codes == [422, 409, 422, 429]


async def test_all_routes_of_the_api_are_limited(app: FastAPI):
    """Each route under /api is limited, with or without the decorator."""
    routes = [route for route in app.routes if getattr(route, "path", "").startswith("/api")]
    assert len(routes) > 10
    assert {isinstance(route, LimitedRoute) for route in routes} == {True}


@pytest.mark.parametrize("length", [10, 300])
async def test_keys_of_any_length_are_counted(open_client: Open, length: int):
    """A key longer than the column of the database is counted, not an error."""

    async def ping() -> str:
        return "pong"

    def add(app: FastAPI) -> None:
        key = lambda request: request.headers["key"]  # noqa: E731
        app.add_api_route("/ping", limiter.limit("1/minute", key=key)(ping))

    client = await open_client(add, rate_limit_storage="postgres")
    keys = ["a" * length, "a" * length, "a" * (length - 1) + "b"]
    codes = [(await client.get("/ping", headers={"key": key})).status_code for key in keys]
    assert codes == [200, 429, 200]


@pytest.mark.parametrize("path", [ME, LOGIN, "/api/v1/auth/signup", "/nowhere"])
async def test_requests_are_refused_while_the_counters_are_unavailable(
    open_client: Open, path: str
):
    """Without the storage of the counters, limited operations are a 503 with Retry-After."""
    client = await open_client(rate_limit_storage=f"redis://127.0.0.1:{free_port()}")
    method = "GET" if path in {ME, "/nowhere"} else "POST"
    response = await client.request(method, path, json={})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "rate_limit_unavailable"
    assert response.headers["retry-after"] == "1"
    assert (await client.get("/live")).status_code == 200
