import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable

import httpx2
import jwt
import pytest
from app.auth import passwords
from app.settings import Settings
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from service import DEADLINE_S, PASSWORD
from sqlalchemy import text

SIGNUP, LOGIN, REFRESH, LOGOUT, ME = (
    f"/api/v1/auth/{name}" for name in ("signup", "login", "refresh", "logout", "me")
)
ANN = {"email": "Ann@Example.com", "password": PASSWORD, "full_name": "Ann Example"}
SignUp = Callable[..., Awaitable[dict[str, str]]]


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings under which a test may log in more often than a person would."""
    return make_settings(rate_limit_login="1000/minute")


async def log_in(client: httpx2.AsyncClient) -> dict[str, str]:
    """Ann's tokens, from a new login."""
    answer = await client.post(LOGIN, json={"email": ANN["email"], "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    """Spend a refresh token."""
    return await client.post(REFRESH, json={"refresh_token": token})


@pytest.fixture
async def tokens(client: httpx2.AsyncClient) -> dict[str, str]:
    """Ann's tokens, after she signed up."""
    assert (await client.post(SIGNUP, json=ANN)).status_code == 201
    return await log_in(client)


async def execute(app: FastAPI, statement: str) -> list[tuple[object, ...]]:
    """What a statement returns from the service's own database."""
    async with app.state.database.session() as session:
        result = await session.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


async def test_signup_shows_the_account_without_its_secrets(client: httpx2.AsyncClient):
    """Signing up answers 201 with the account, its address in lower case, and no password."""
    answer = await client.post(SIGNUP, json=ANN)
    assert answer.status_code == 201
    account = answer.json()
    assert account.keys() == {"id", "email", "full_name", "role", "created_at"}
    assert (account["email"], account["role"]) == ("ann@example.com", "therapist")


async def test_one_address_is_one_account(client: httpx2.AsyncClient):
    """An address that differs only in case has its account already."""
    assert (await client.post(SIGNUP, json=ANN)).status_code == 201
    again = await client.post(SIGNUP, json=ANN | {"email": "ANN@EXAMPLE.COM"})
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "email_taken"


async def test_nobody_signs_up_as_admin(client: httpx2.AsyncClient):
    """The role admin cannot be had by signing up."""
    answer = await client.post(SIGNUP, json=ANN | {"role": "admin"})
    assert answer.status_code == 422


@pytest.mark.parametrize("field", ["email", "full_name"])
async def test_signup_refuses_what_the_database_cannot_store(
    client: httpx2.AsyncClient, field: str
):
    """A NUL in an address or a name is a 422 that says where, not a 500."""
    answer = await client.post(SIGNUP, json=ANN | {field: "ann\0@example.com"})
    assert answer.status_code == 422
    assert [detail["where"] for detail in answer.json()["error"]["details"]] == [f"body.{field}"]


@pytest.mark.parametrize("email", ["ann", "ann@", "@example.com", "a b@example.com", ""])
async def test_slips_in_an_address_are_caught(client: httpx2.AsyncClient, email: str):
    """What cannot be an e-mail address is refused."""
    assert (await client.post(SIGNUP, json=ANN | {"email": email})).status_code == 422


@pytest.mark.parametrize(
    ("password", "missing"),
    [
        ("Short1!", "at least 12"),
        ("testpass123!", "upper-case"),
        ("TESTPASS123!", "lower-case"),
        ("TestPassword!", "digit"),
        ("TestPassword1", "special"),
        ("Aa1!" * 65, "at most 256"),
    ],
)
async def test_each_broken_password_rule_is_named(
    client: httpx2.AsyncClient, password: str, missing: str
):
    """A password that breaks one rule is refused with a sentence about just that rule."""
    answer = await client.post(SIGNUP, json=ANN | {"password": password})
    assert answer.status_code == 422
    (detail,) = answer.json()["error"]["details"]
    assert missing in detail["message"]
    assert password not in answer.text


@given(st.text(st.characters(codec="utf-8"), max_size=240))
def test_whatever_else_a_password_holds_does_not_matter(rest: str):
    """A password with all that is asked for keeps the rules, whatever stands beside it."""
    assert passwords.violated_rules(f"Aa1!aaaaaaaa{rest}") == []


async def test_passwords_are_hashed_as_owasp_asks(tokens: dict[str, str], app: FastAPI):
    """The database holds an argon2id hash of 19 MiB, two passes and one lane."""
    assert tokens
    ((kept,),) = await execute(app, "SELECT password_hash FROM users")
    assert str(kept).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_login_gives_a_pair_of_tokens(tokens: dict[str, str], client: httpx2.AsyncClient):
    """Logging in gives an access token good for half an hour, and a refresh token."""
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 1800)
    me = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["email"] == "ann@example.com"


async def test_login_does_not_tell_who_has_an_account(
    tokens: dict[str, str], client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    """A wrong password and an unknown account get the same answer for the same work."""
    assert tokens
    verified = []
    verify = passwords._verify_password_sync

    def counted(password_hash: str | None, password: str) -> bool:
        verified.append(password_hash or passwords._dummy_hash())
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_verify_password_sync", counted)
    answers = [
        await client.post(LOGIN, json={"email": email, "password": "Wrong-Pass-123"})
        for email in ("ann@example.com", "nobody@example.com")
    ]
    assert [answer.status_code for answer in answers] == [401, 401]
    bodies = [answer.json()["error"] for answer in answers]
    assert bodies[0]["message"] == bodies[1]["message"]
    known, nobody = (kept.rsplit("$", 2)[0] for kept in verified)
    assert known == nobody  # the same parameters, so the same time


async def test_refresh_rotates(tokens: dict[str, str], client: httpx2.AsyncClient):
    """A refresh token gives a new pair; the new one works in turn."""
    first = await refresh(client, tokens["refresh_token"])
    assert first.status_code == 200
    assert first.json()["refresh_token"] != tokens["refresh_token"]
    assert (await refresh(client, first.json()["refresh_token"])).status_code == 200


async def test_a_spent_refresh_token_revokes_its_family(
    tokens: dict[str, str], client: httpx2.AsyncClient
):
    """Who comes back with a spent token ends every session that descends from its login."""
    elsewhere = await log_in(client)
    successor = (await refresh(client, tokens["refresh_token"])).json()["refresh_token"]
    reused = await refresh(client, tokens["refresh_token"])
    assert (reused.status_code, reused.json()["error"]["code"]) == (401, "invalid_refresh_token")
    assert (await refresh(client, successor)).status_code == 401
    assert (await refresh(client, elsewhere["refresh_token"])).status_code == 200


async def test_of_two_at_once_one_gets_the_new_pair(
    tokens: dict[str, str], client: httpx2.AsyncClient
):
    """A refresh token that is sent several times at once is spent once."""
    answers = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_logout_revokes(tokens: dict[str, str], client: httpx2.AsyncClient):
    """After logging out the refresh token and its kin are worth nothing."""
    successor = (await refresh(client, tokens["refresh_token"])).json()["refresh_token"]
    answer = await client.post(LOGOUT, json={"refresh_token": successor})
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await refresh(client, successor)).status_code == 401


async def test_refresh_tokens_run_out(
    tokens: dict[str, str], client: httpx2.AsyncClient, app: FastAPI
):
    """A refresh token past its time is refused, and the next login forgets it."""
    await execute(app, "UPDATE refresh_tokens SET expires_at = now()")
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    await log_in(client)
    assert await execute(app, "SELECT count(*) FROM refresh_tokens") == [(1,)]


async def test_refresh_tokens_are_stored_hashed(tokens: dict[str, str], app: FastAPI):
    """The database does not hold the text of a refresh token."""
    rows = await execute(app, "SELECT row_to_json(refresh_tokens)::text FROM refresh_tokens")
    assert len(rows) == 1
    assert tokens["refresh_token"] not in str(rows)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "unauthorized"),
        ("Bearer nonsense", "unauthorized"),
        ("Basic YW5uOnB3", "unauthorized"),
        ("Bearer ", "unauthorized"),
    ],
)
async def test_without_a_valid_token_it_is_401(
    client: httpx2.AsyncClient, header: str | None, code: str
):
    """No token, or none of ours, is a 401 that says how to authenticate."""
    answer = await client.get(ME, headers={} if header is None else {"Authorization": header})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert answer.headers["www-authenticate"] == "Bearer"


def forged(settings: Settings, **changes: object) -> str:
    """An access token made outside the service."""
    claims = {"sub": str(uuid.uuid4()), "role": "admin", "exp": int(time.time()) + 60} | changes
    return jwt.encode(claims, settings.signing_key(), algorithm="HS256")


@pytest.mark.parametrize("missing", ["sub", "role", "exp"])
async def test_a_token_must_say_everything(
    client: httpx2.AsyncClient, settings: Settings, missing: str
):
    """A well-signed token without one of its claims is refused."""
    claims = jwt.decode(forged(settings), settings.signing_key(), algorithms=["HS256"])
    del claims[missing]
    token = jwt.encode(claims, settings.signing_key(), algorithm="HS256")
    assert (await client.get(ME, headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_tokens_that_others_signed_are_refused(client: httpx2.AsyncClient):
    """A token signed with another key, or not at all, is refused."""
    claims = {"sub": str(uuid.uuid4()), "role": "admin", "exp": int(time.time()) + 60}
    for token in (
        jwt.encode(claims, "another key, just as long as ours is", algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
    ):
        answer = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


async def test_a_remembered_token_expires_all_the_same(
    client: httpx2.AsyncClient, settings: Settings, tokens: dict[str, str]
):
    """A token that was good is refused once it has expired."""
    claims = jwt.decode(tokens["access_token"], settings.signing_key(), algorithms=["HS256"])
    soon = forged(settings, sub=claims["sub"], exp=int(time.time()) + 2)
    headers = {"Authorization": f"Bearer {soon}"}
    answer = await client.get(ME, headers=headers)
    assert answer.status_code == 200
    deadline_s = time.monotonic() + DEADLINE_S
    while answer.status_code == 200 and time.monotonic() < deadline_s:
        await asyncio.sleep(0.05)
        answer = await client.get(ME, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_expired")


async def test_an_account_that_is_gone_is_404(
    client: httpx2.AsyncClient, app: FastAPI, tokens: dict[str, str]
):
    """A good token of a deleted account finds no account."""
    await execute(app, "DELETE FROM users")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await client.get(ME, headers=headers)).status_code == 404


async def test_roles_are_kept_apart(client: httpx2.AsyncClient, sign_up: SignUp):
    """A patient's token opens no therapist's endpoint."""
    headers = await sign_up("pat@example.com", role="patient")
    answer = await client.get("/api/patients/", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
