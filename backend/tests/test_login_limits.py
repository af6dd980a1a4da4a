"""Guessing passwords is limited by address and by account, and locks no account."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from itertools import count, repeat

import httpx2
import pytest
from app.auth import passwords
from fastapi import FastAPI
from service import DEADLINE_S, PASSWORD, account, client_of, until
from starlette.types import Message

LOGIN = "/api/v1/auth/login"
Open = Callable[..., Awaitable[httpx2.AsyncClient]]
EMAIL, WRONG = "ann@example.com", "Wrong-Pass-123"


@pytest.fixture
def cheap_hashing(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compares passwords instead of hashing them; lists what was compared."""
    checked: list[str] = []

    def verify(_hash: str | None, password: str) -> bool:
        checked.append(password)
        return password == PASSWORD

    monkeypatch.setattr(passwords, "_verify_password_sync", verify)
    return checked


async def log_in(client: httpx2.AsyncClient, email: str, password: str = WRONG) -> httpx2.Response:
    """Try to log in."""
    return await client.post(LOGIN, json={"email": email, "password": password})


def app_of(client: httpx2.AsyncClient) -> FastAPI:
    """Return the service behind a client."""
    app: FastAPI = client._transport.app  # type: ignore[attr-defined]
    return app


async def codes_from(
    app: FastAPI, addresses: Iterator[str], emails: Iterator[str], attempts: int
) -> list[int]:
    """Try wrong passwords, one after the other, and return the statuses."""
    codes = []
    for _ in range(attempts):
        async with client_of(app, address=next(addresses)) as client:
            codes.append((await log_in(client, next(emails))).status_code)
    return codes


async def test_login_is_limited_per_account_and_address(open_client: Open):
    """The sixth login of an account from an address is refused; others are not affected."""
    client = await open_client()
    await account(client, EMAIL)  # the first login
    served = await log_in(client, EMAIL, PASSWORD)
    assert [served.headers[f"ratelimit-{name}"] for name in ("limit", "remaining")] == ["5", "3"]
    codes = [(await log_in(client, "ANN@example.com ")).status_code for _ in range(5)]
    assert codes == [401] * 3 + [429] * 2
    await account(client, "ben@example.com")
    async with client_of(app_of(client), address="10.0.0.2") as other_address:
        assert (await log_in(other_address, EMAIL)).status_code == 401


@pytest.mark.parametrize("storage", ["memory", "postgres"])
async def test_spraying_accounts_from_one_address_is_refused(
    open_client: Open, cheap_hashing: list[str], storage: str
):
    """An address is refused after 30 failed logins of 200 accounts; another one is not."""
    client = await open_client(rate_limit_storage=storage)
    await account(client, EMAIL)
    cheap_hashing.clear()
    emails = (f"user-{number}@example.com" for number in count())
    codes = await codes_from(app_of(client), repeat("10.0.0.1"), emails, 200)
    assert codes == [401] * 30 + [429] * 170
    assert len(cheap_hashing) == 30
    async with client_of(app_of(client), address="10.0.0.2") as other:
        assert (await log_in(other, EMAIL, PASSWORD)).status_code == 200


async def test_spraying_at_once_is_refused(open_client: Open, cheap_hashing: list[str]):
    """Logins that wait for their turn are refused when the limit is reached meanwhile."""
    client = await open_client(password_queue_max=300)
    responses = await asyncio.gather(
        *(log_in(client, f"user-{number}@example.com") for number in range(200))
    )
    codes = [response.status_code for response in responses]
    assert 30 <= codes.count(401) <= 30 + 4 * passwords.THREADS
    assert len(cheap_hashing) == codes.count(401)
    assert codes.count(401) + codes.count(429) == 200


async def test_ipv6_addresses_of_one_network_are_one_address(
    open_client: Open, cheap_hashing: list[str]
):
    """Changing the last 64 bits of an IPv6 address does not evade the limit."""
    client = await open_client()
    addresses = (f"2001:db8::{number:x}" for number in count(1))
    emails = (f"user-{number}@example.com" for number in count())
    codes = await codes_from(app_of(client), addresses, emails, 32)
    assert codes == [401] * 30 + [429] * 2
    assert len(cheap_hashing) == 30


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"email": "x"}', b'{"email": "a@b.c", "password": 1}', b"[" * 10]
)
async def test_invalid_logins_are_counted(open_client: Open, body: bytes):
    """A login that is not valid counts as a failed one, before it is read."""
    client = await open_client(rate_limit_failed_logins_by_address="2/minute")
    headers = {"Content-Type": "application/json"}
    responses = [await client.post(LOGIN, content=body, headers=headers) for _ in range(3)]
    assert [response.status_code for response in responses] == [422, 422, 429]
    assert (await client.get(LOGIN)).status_code == 429


async def test_successful_logins_are_not_counted_by_address(open_client: Open):
    """Many people can log in from one address, and success does not forgive failures."""
    client = await open_client(rate_limit_failed_logins_by_address="2/minute")
    for number in range(4):
        await account(client, f"user-{number}@example.com")
    assert (await log_in(client, "user-0@example.com")).status_code == 401
    assert (await log_in(client, "user-0@example.com", PASSWORD)).status_code == 200
    assert (await log_in(client, "user-1@example.com")).status_code == 401
    assert (await log_in(client, "user-2@example.com", PASSWORD)).status_code == 429


@pytest.mark.parametrize("exists", [True, False])
async def test_guesses_from_many_addresses_are_limited_by_account(
    open_client: Open, cheap_hashing: list[str], *, exists: bool
):
    """After 100 failures in an hour new addresses are refused, for any account or none."""
    client = await open_client()
    if exists:
        await account(client, EMAIL)
    cheap_hashing.clear()
    addresses = (f"10.0.{number // 250}.{number % 250}" for number in count())
    codes = await codes_from(app_of(client), addresses, repeat(EMAIL), 103)
    assert codes == [401] * 100 + [429] * 3
    assert len(cheap_hashing) == 100


async def test_strangers_cannot_lock_an_account(open_client: Open, cheap_hashing: list[str]):
    """The owner can still log in from an address that has been used before."""
    client = await open_client(rate_limit_failed_logins_by_account="3/hour")
    await account(client, EMAIL)
    addresses = (f"10.0.0.{number}" for number in count())
    codes = await codes_from(app_of(client), addresses, repeat(EMAIL), 5)
    assert codes == [401] * 3 + [429] * 2
    assert (await log_in(client, EMAIL, PASSWORD)).status_code == 200
    async with client_of(app_of(client), address="10.0.0.99") as new_address:
        refused = await log_in(new_address, EMAIL, PASSWORD)
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 3600
    assert cheap_hashing.count(PASSWORD) == 2


async def test_full_queue_is_503(open_client: Open):
    """Beyond PASSWORD_QUEUE_MAX a login is a 503 with Retry-After; another address is served."""
    client = await open_client(password_queue_max=5)
    await account(client, EMAIL)
    waiting = passwords.THREADS + 5
    responses = await asyncio.gather(
        *(log_in(client, f"user-{number}@example.com") for number in range(waiting + 10))
    )
    refused = [response for response in responses if response.status_code == 503]
    assert len(refused) == 10
    assert refused[0].json()["error"]["code"] == "hashing_queue_full"
    assert int(refused[0].headers["retry-after"]) >= 1
    async with client_of(app_of(client), address="10.0.0.2") as other:
        flood = [
            asyncio.create_task(log_in(client, f"b-{number}@example.com"))
            for number in range(waiting)
        ]
        served = await log_in(other, EMAIL, PASSWORD)
        await asyncio.wait(flood)
    assert served.status_code == 200
    metrics = (await client.get("/metrics")).text
    assert "password_hashing_waiters 0.0" in metrics


@pytest.fixture
def blocked_hashing(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Keeps each thread that hashes busy until the event is set."""
    release = threading.Event()

    def verify(_hash: str | None, _password: str) -> bool:
        return release.wait(DEADLINE_S) and False

    monkeypatch.setattr(passwords, "_verify_password_sync", verify)
    yield release
    release.set()


async def test_full_queue_refuses_before_anything_else(
    open_client: Open, blocked_hashing: threading.Event
):
    """A login beyond the queue is a 503 before its body is parsed or a counter is read."""
    client = await open_client(password_queue_max=1)
    app = app_of(client)
    waiting = [
        asyncio.create_task(log_in(client, f"user-{number}@example.com"))
        for number in range(passwords.THREADS + 1)
    ]
    await until(lambda: app.state.hashing_queue.waiting == 1)
    counters = dict(app.state.rate_limits.storage._windows)
    refused = await client.post(LOGIN, content=b"no JSON")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "hashing_queue_full")
    assert app.state.rate_limits.storage._windows == counters
    blocked_hashing.set()
    assert {response.status_code for response in await asyncio.gather(*waiting)} == {401}
    assert (await client.post(LOGIN, content=b"no JSON")).status_code == 415


async def test_client_that_does_not_read_keeps_no_place(open_client: Open):
    """A login whose response the client does not read has left the queue."""
    app = app_of(await open_client())
    body = b'{"email": "ann@example.com", "password": "x"}'
    sent: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message: Message) -> None:
        sent.append(app.state.hashing_queue._places)

    scope = {"type": "http", "method": "POST", "path": LOGIN, "query_string": b""}
    scope |= {"headers": [(b"content-type", b"application/json"), (b"content-length", b"45")]}
    scope |= {"client": ("127.0.0.1", 5000), "scheme": "http"}
    await app(scope, receive, send)
    assert sent == [0, 0]
