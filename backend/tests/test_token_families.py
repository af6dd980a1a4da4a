"""Logins and their refresh tokens: replays in parallel, and the end of a login."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx2
import jwt
import pytest
from app.auth import repository
from app.auth.models import Role, User
from app.auth.tokens import hash_refresh_token, new_refresh_token
from app.settings import Settings
from fastapi import FastAPI
from service import PASSWORD

REFRESH = "/api/v1/auth/refresh"
FAMILIES = 100
CONCURRENT = 8
"""Logins under test at a time: two connections each, fewer than the pool has."""


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings without limits, and with logins of an hour."""
    return make_settings(rate_limit_enabled=False, login_ttl_s=3600)


async def _make_logins(app: FastAPI, count: int, ttl_s: int = 3600) -> list[str]:
    """Create logins of one account, without a password; return a refresh token of each."""
    tokens = [new_refresh_token() for _ in range(count)]
    async with app.state.database.session() as session:
        email = f"{uuid.uuid4().hex}@example.com"
        user = User(email=email, password_hash="", role=Role.THERAPIST, full_name="Ann")
        session.add(user)
        await session.flush()
        for token in tokens:
            family = await repository.add_family(session, user.id, ttl_s)
            await repository.add_refresh_token(
                session, token_hash=hash_refresh_token(token), family=family, ttl_s=ttl_s
            )
    return tokens


async def _refresh(client: httpx2.AsyncClient, token: str) -> str | None:
    """Send a refresh token and return its successor; None if it is refused."""
    response = await client.post(REFRESH, json={"refresh_token": token})
    assert response.status_code in {200, 401}, response.text
    return response.json()["refresh_token"] if response.status_code == 200 else None


async def _count_alive(check: Callable[[int, str], Awaitable[bool]], tokens: list[str]) -> int:
    """Check the logins of these tokens, `CONCURRENT` at a time; return how many are alive."""
    turns = asyncio.Semaphore(CONCURRENT)

    async def check_one(number: int, token: str) -> bool:
        async with turns:
            return await check(number, token)

    return sum(await asyncio.gather(*(check_one(*item) for item in enumerate(tokens))))


async def _is_alive_after_replay(client: httpx2.AsyncClient, first: str, delay_s: float) -> bool:
    """Send a spent token while its successor is refreshed; true if a token of it still works."""
    second = await _refresh(client, first)
    assert second is not None

    async def replay() -> None:
        await asyncio.sleep(delay_s)
        assert await _refresh(client, first) is None

    third, _ = await asyncio.gather(_refresh(client, second), replay())
    newest = third or second
    return await _refresh(client, newest) is not None


async def test_replay_beside_a_refresh_leaves_no_login_alive(
    app: FastAPI, client: httpx2.AsyncClient
):
    """A spent token that is sent while its successor is refreshed ends the login every time."""

    async def is_alive(number: int, token: str) -> bool:
        return await _is_alive_after_replay(client, token, delay_s=number % 10 / 2000)

    assert await _count_alive(is_alive, await _make_logins(app, FAMILIES)) == 0


async def test_logout_beside_a_refresh_leaves_no_login_alive(
    app: FastAPI, client: httpx2.AsyncClient
):
    """A logout in parallel to a refresh of the same login ends the login every time."""

    async def is_alive(_number: int, token: str) -> bool:
        successor, _ = await asyncio.gather(
            _refresh(client, token),
            client.post("/api/v1/auth/logout", json={"refresh_token": token}),
        )
        return successor is not None and await _refresh(client, successor) is not None

    assert await _count_alive(is_alive, await _make_logins(app, FAMILIES)) == 0


async def test_login_ends_however_often_it_is_refreshed(app: FastAPI, client: httpx2.AsyncClient):
    """After the end of a login its newest tokens are refused, and none was issued beyond it."""
    (token,) = await _make_logins(app, 1, ttl_s=3)
    deadline_s = time.monotonic() + 60
    refreshed = 0
    while True:
        response = await client.post(REFRESH, json={"refresh_token": token})
        if response.status_code == 401:
            break
        assert response.json()["expires_in"] <= 3
        token = response.json()["refresh_token"]
        refreshed += 1
        assert time.monotonic() < deadline_s
    assert refreshed >= 1
    async with app.state.database.driver_connection() as connection:
        assert await connection.fetchval("SELECT now() >= expires_at FROM token_families")
        assert await connection.fetchval(
            "SELECT bool_and(token.expires_at <= family.expires_at + interval '1 second')"
            " FROM refresh_tokens token JOIN token_families family ON family.id = family_id"
        )


async def test_expired_logins_are_deleted_at_the_next_login(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str]
):
    """A login deletes the account's expired tokens and the logins without tokens."""
    assert ann
    async with app.state.database.driver_connection() as connection:
        await connection.execute("UPDATE refresh_tokens SET expires_at = now()")
    await client.post("/api/v1/auth/login", json={"email": "ann@example.com", "password": PASSWORD})
    async with app.state.database.driver_connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM token_families") == 1
        assert await connection.fetchval("SELECT count(*) FROM refresh_tokens") == 1


async def test_token_of_a_machine_whose_clock_is_ahead_is_accepted(
    app: FastAPI, client: httpx2.AsyncClient, settings: Settings
):
    """An access token that another machine has just issued is valid, whatever its clock says."""
    (refresh_token,) = await _make_logins(app, 1)
    pair = await client.post(REFRESH, json={"refresh_token": refresh_token})
    claims = jwt.decode(pair.json()["access_token"], options={"verify_signature": False})
    claims["iat"] += 30
    token = jwt.encode(claims, settings.signing_key(), algorithm="HS256")
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 200
