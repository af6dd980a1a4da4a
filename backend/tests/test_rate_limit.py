import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

import httpx2
import pytest
from app.database import Database
from app.jobs.maintenance import delete_expired_rows
from app.main import create_app
from app.middleware.rate_limit import RateLimits, limiter
from app.middleware.rate_limit_storage import MemoryStorage, PostgresStorage
from app.settings import Settings, SettingsError
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from service import Service, account, client_of

ME, LOGIN = "/api/v1/auth/me", "/api/v1/auth/login"
Open = Callable[..., Awaitable[httpx2.AsyncClient]]


async def statuses(
    client: httpx2.AsyncClient, headers: dict[str, str], count: int, path: str = ME
) -> list[int]:
    """What a user's rapid requests are answered with."""
    answers = await asyncio.gather(*(client.get(path, headers=headers) for _ in range(count)))
    return sorted(answer.status_code for answer in answers)


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_of_150_rapid_requests_exactly_100_pass(open_client: Open, storage: str):
    """A user's first 100 requests pass and the next 50 are refused; another user's all pass."""
    client = await open_client(rate_limit_storage=storage)
    ann, ben = [await account(client, f"{name}@example.com") for name in ("ann", "ben")]
    assert await statuses(client, ann, 150) == [200] * 100 + [429] * 50
    assert await statuses(client, ben, 20) == [200] * 20


async def test_counts_that_nobody_needs_are_deleted(open_client: Open, app: FastAPI):
    """The worker's upkeep deletes windows that are over, and keeps the open ones."""
    client = await open_client(rate_limit_storage="postgres")
    await account(client)
    database: Database = app.state.database
    async with database.driver_connection() as connection:
        await connection.execute(
            "INSERT INTO rate_limits (key, count, resets_at)"
            " VALUES ('over', 1, now() - interval '1 s')"
        )
        open_windows = await connection.fetchval("SELECT count(*) - 1 FROM rate_limits")
        await delete_expired_rows(database)
        left = await connection.fetchval("SELECT count(*) FROM rate_limits")
    assert left == open_windows > 0


async def test_a_refusal_says_when_to_come_back(open_client: Open):
    """A 429 is JSON with its code, a Retry-After of whole seconds, and the RateLimit headers."""
    client = await open_client(rate_limit_default="2/minute")
    ann = await account(client)
    first, second, third = [await client.get(ME, headers=ann) for _ in range(3)]
    assert [answer.headers["ratelimit-remaining"] for answer in (first, second)] == ["1", "0"]
    assert third.status_code == 429
    assert third.json()["error"]["code"] == "rate_limited"
    assert third.headers["ratelimit-limit"] == "2"
    assert third.headers["ratelimit-remaining"] == "0"
    assert third.headers["retry-after"] == third.headers["ratelimit-reset"]
    assert 58 <= int(third.headers["retry-after"]) <= 60


async def test_after_retry_after_the_next_is_served(open_client: Open):
    """A client that waits as long as it was told is served again; a little earlier it is not."""
    now_s = [1000.0]

    def stop_the_clock(app: FastAPI) -> None:
        app.state.rate_limits.storage = MemoryStorage(clock=lambda: now_s[0])

    client = await open_client(stop_the_clock)
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
async def test_retry_after_is_true_by_the_real_clock(open_client: Open, storage: str):
    """Waiting out a Retry-After in real time gets the next request served."""
    client = await open_client(rate_limit_default="2/2second", rate_limit_storage=storage)
    ann = await account(client)
    answers = [await client.get(ME, headers=ann) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    await asyncio.sleep(int(answers[2].headers["retry-after"]))
    assert (await client.get(ME, headers=ann)).status_code == 200


@given(
    limit=st.integers(1, 5),
    gaps_s=st.lists(st.floats(0, 70, allow_nan=False), max_size=60),
)
def test_no_window_holds_more_than_its_limit(limit: int, gaps_s: list[float]):
    """However requests arrive, a window counts from its first one and says truly when it ends."""
    now_s = [0.0]
    windows = MemoryStorage(clock=lambda: now_s[0])

    async def run() -> None:
        opened_s = None
        served = 0
        for gap_s in gaps_s:
            now_s[0] += gap_s
            window = await windows.hit("ann", 60)
            if opened_s is None or now_s[0] >= opened_s + 60:
                opened_s, served = now_s[0], 0
            served += window.used <= limit
            assert served <= limit
            assert window.resets_in_s == pytest.approx(opened_s + 60 - now_s[0])

    asyncio.run(run())


def test_windows_that_are_over_are_forgotten():
    """Counting for ever new users takes no more memory than their open windows."""
    now_s = [0.0]
    windows = MemoryStorage(clock=lambda: now_s[0])

    async def run() -> None:
        for user in range(20_000):
            now_s[0] += 1
            await windows.hit(f"user {user}", 60)

    asyncio.run(run())
    assert len(windows._windows) <= 1024


async def test_both_storages_are_whole_storages_of_limits(settings: Settings, app: FastAPI):
    """What the `limits` library asks of a storage, both of ours do."""
    database: Database = app.state.database
    for storage in (MemoryStorage(), PostgresStorage(database=database)):
        assert await storage.incr("ann", 60) == 1
        assert await storage.incr("ann", 60, amount=2) == 3
        assert await storage.get("ann") == 3
        assert time.time() < await storage.get_expiry("ann") <= time.time() + 61
        assert await storage.check()
        await storage.clear("ann")
        assert await storage.get("ann") == 0
        await storage.incr("ben", 60)
        assert await storage.reset() == 1
    assert settings.rate_limit_storage == "memory"


def test_two_workers_share_one_count(serve: Callable[..., Service]):
    """With the counts in PostgreSQL, two workers together let exactly the limit pass."""
    service = serve("--workers", "2", RATE_LIMIT_STORAGE="postgres", RATE_LIMIT_DEFAULT="40/minute")

    async def run() -> tuple[list[int], set[str]]:
        async with httpx2.AsyncClient(base_url=service.url) as client:
            ann = await account(client)
        codes, workers = [], set()
        for _ in range(60):  # a connection for each, so that both workers get some
            async with httpx2.AsyncClient(base_url=service.url) as client:
                answer = await client.get(ME, headers=ann)
            codes.append(answer.status_code)
            workers.add(answer.headers["x-request-id"].split("-")[0])
        return codes, workers

    codes, workers = asyncio.run(run())
    assert len(workers) == 2
    assert codes == [200] * 40 + [429] * 20
    health = httpx2.get(f"{service.url}/health").json()
    assert health["rate_limit"] == {"enabled": True, "shared": True, "warning": None}


def test_workers_that_count_apart_are_warned_of(serve: Callable[..., Service]):
    """Two workers with counts in memory say so when they start, and in /health."""
    service = serve("--workers", "2")
    warning = httpx2.get(f"{service.url}/health").json()["rate_limit"]["warning"]
    assert "RATE_LIMIT_STORAGE=postgres" in warning
    assert warning in service.output()


def test_one_worker_is_not_warned_of(serve: Callable[..., Service]):
    """One worker may count in memory."""
    service = serve()
    health = httpx2.get(f"{service.url}/health").json()
    assert health["rate_limit"] == {"enabled": True, "shared": False, "warning": None}


def test_an_endpoint_without_request_is_an_error_at_import():
    """Limiting an endpoint that takes no Request fails when it is defined, and says what to add."""

    async def endpoint(name: str) -> str:
        return name

    with pytest.raises(TypeError, match=r"needs a parameter of type Request"):
        limiter.limit("100/minute")(endpoint)


@pytest.mark.parametrize("rate", ["often", "", "100/fortnight"])
def test_a_rate_nobody_understands_is_an_error_at_import(rate: str):
    """A rate that is neither a rate nor the name of one fails when it is written."""
    with pytest.raises(ValueError, match=r"parse|granularity"):
        limiter.limit(rate)


async def test_a_literal_rate_counts_for_its_endpoint_alone(open_client: Open):
    """`@limiter.limit("1/minute")` limits that endpoint and leaves the others their allowance."""

    async def ping(request: Request) -> str:
        return request.method

    def add(app: FastAPI) -> None:
        for path in ("/one", "/two"):
            app.add_api_route(path, limiter.limit("1/minute")(ping))
            ping.__qualname__ = "pong"

    client = await open_client(add)
    codes = [(await client.get(path)).status_code for path in ("/one", "/one", "/two")]
    assert codes == [200, 429, 200]


async def test_login_is_limited_by_account_and_address(open_client: Open):
    """The sixth login of an account from one address is refused; others still get in."""
    client = await open_client()
    await account(client, "ann@example.com")  # her first login
    wrong = {"email": "ANN@example.com ", "password": "Wrong-Pass-123"}
    codes = [(await client.post(LOGIN, json=wrong)).status_code for _ in range(5)]
    assert codes == [401] * 4 + [429]
    await account(client, "ben@example.com")
    app = client._transport.app  # type: ignore[attr-defined]
    async with client_of(app, address="10.0.0.2") as elsewhere:
        assert (await elsewhere.post(LOGIN, json=wrong)).status_code == 401


async def test_requests_without_a_token_count_for_their_address(open_client: Open):
    """Guessing tokens is limited by address, whatever endpoint is asked."""
    client = await open_client(rate_limit_default="3/minute")
    paths = [ME, "/api/sessions/", "/api/patients/", ME]
    headers = {"Authorization": "Bearer guess"}
    codes = [(await client.get(path, headers=headers)).status_code for path in paths]
    assert codes == [401, 401, 401, 429]


@pytest.mark.parametrize(
    ("trusted", "codes"),
    [(False, [401, 429, 429]), (True, [401, 401, 429])],
)
async def test_forwarded_addresses_count_only_if_trusted(
    open_client: Open,
    trusted: bool,  # noqa: FBT001 -- pytest passes it by name
    codes: list[int],
):
    """X-Forwarded-For is believed only if a setting says so, and then its last entry is."""
    client = await open_client(rate_limit_default="1/minute", trust_forwarded_for=trusted)
    app = client._transport.app  # type: ignore[attr-defined]
    seen = []
    for forwarded, client_as_uvicorn_sees_it in (
        ("1.1.1.1, 10.1.1.1", "10.1.1.1"),
        ("1.1.1.1, 10.2.2.2", "10.2.2.2"),
        ("9.9.9.9, 10.2.2.2", "10.2.2.2"),
    ):
        async with client_of(app, address=client_as_uvicorn_sees_it) as client:
            answer = await client.get(ME, headers={"X-Forwarded-For": forwarded})
        seen.append(answer.status_code)
    assert seen == codes


async def test_health_is_never_limited(open_client: Open):
    """Health checks and metrics pass however many there are, and carry no limit."""
    client = await open_client(rate_limit_default="1/minute")
    for path in ("/", "/live", "/ready", "/health", "/metrics") * 3:
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "ratelimit-limit" not in answer.headers


async def test_limits_can_be_turned_off(open_client: Open):
    """With RATE_LIMIT_ENABLED=false nothing is refused, and /health says so."""
    client = await open_client(rate_limit_enabled=False, rate_limit_default="1/minute")
    ann = await account(client)
    assert await statuses(client, ann, 5) == [200] * 5
    assert (await client.get("/health")).json()["rate_limit"]["enabled"] is False


async def test_counts_in_postgres_hold_no_address_of_a_person(open_client: Open):
    """The key of a login's count does not tell the account's e-mail address."""
    client = await open_client(rate_limit_storage="postgres")
    await account(client, "ann@example.com")
    limits: RateLimits = client._transport.app.state.rate_limits  # type: ignore[attr-defined]
    assert isinstance(limits.storage, PostgresStorage)
    async with limits.storage._database.driver_connection() as connection:
        rows = await connection.fetch("SELECT key FROM rate_limits")
    keys = json.dumps([row["key"] for row in rows])
    assert len(rows) == 2  # sign-up and login
    assert "ann" not in keys


def test_redis_without_its_client_is_one_line(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
):
    """Counting in Redis without its client ends with one line that says what to install."""
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match="pip install redis"):
        create_app(make_settings(rate_limit_storage="redis://127.0.0.1:6379"))
