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


@pytest.fixture(autouse=True)
def quick_hashing() -> None:
    """Hash as the service does, unlike in other tests."""


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings with a high limit of logins."""
    return make_settings(rate_limit_login="1000/minute")


async def log_in(client: httpx2.AsyncClient) -> dict[str, str]:
    """Log in as Ann and return the tokens."""
    response = await client.post(LOGIN, json={"email": ANN["email"], "password": PASSWORD})
    assert response.status_code == 200, response.text
    return dict(response.json())


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    """Send a refresh token."""
    return await client.post(REFRESH, json={"refresh_token": token})


@pytest.fixture
async def tokens(client: httpx2.AsyncClient) -> dict[str, str]:
    """Tokens of Ann, who has signed up."""
    assert (await client.post(SIGNUP, json=ANN)).status_code == 201
    return await log_in(client)


async def execute(app: FastAPI, statement: str) -> list[tuple[object, ...]]:
    """Execute a statement in the database of the service and return its rows."""
    async with app.state.database.session() as session:
        result = await session.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []


async def test_signup_returns_the_account_without_its_password(client: httpx2.AsyncClient):
    """Sign-up is a 201 with the account, its address in lower case, and no password."""
    response = await client.post(SIGNUP, json=ANN)
    assert response.status_code == 201
    account = response.json()
    assert account.keys() == {"id", "email", "full_name", "role", "created_at"}
    assert (account["email"], account["role"]) == ("ann@example.com", "therapist")


async def test_address_is_unique_in_any_case(client: httpx2.AsyncClient):
    """Sign-up with an address that differs only in case is a 409."""
    assert (await client.post(SIGNUP, json=ANN)).status_code == 201
    again = await client.post(SIGNUP, json=ANN | {"email": "ANN@EXAMPLE.COM"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "email_taken")


async def test_signup_as_admin_is_rejected(client: httpx2.AsyncClient):
    """Sign-up with the role admin is a 422."""
    assert (await client.post(SIGNUP, json=ANN | {"role": "admin"})).status_code == 422


@pytest.mark.parametrize("field", ["email", "full_name"])
async def test_signup_rejects_nul_characters(client: httpx2.AsyncClient, field: str):
    """A NUL character in an address or a name is a 422 that names the field."""
    response = await client.post(SIGNUP, json=ANN | {field: "ann\0@example.com"})
    assert response.status_code == 422
    assert [detail["where"] for detail in response.json()["error"]["details"]] == [f"body.{field}"]


@pytest.mark.parametrize("email", ["ann", "ann@", "@example.com", "a b@example.com", ""])
async def test_invalid_address_is_rejected(client: httpx2.AsyncClient, email: str):
    """Text that is not an e-mail address is a 422."""
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
async def test_violated_password_rule_is_named(
    client: httpx2.AsyncClient, password: str, missing: str
):
    """A password that violates one rule is rejected with a message about that rule only."""
    response = await client.post(SIGNUP, json=ANN | {"password": password})
    assert response.status_code == 422
    (detail,) = response.json()["error"]["details"]
    assert missing in detail["message"]
    assert password not in response.text


@given(st.text(st.characters(codec="utf-8"), max_size=240))
def test_password_rules_ignore_other_characters(rest: str):
    """A password with all required characters is accepted with any other characters."""
    assert passwords.violated_rules(f"Aa1!aaaaaaaa{rest}") == []


async def test_passwords_are_hashed_with_owasp_parameters(tokens: dict[str, str], app: FastAPI):
    """Passwords are stored as argon2id hashes with 19 MiB, two passes and one lane."""
    assert tokens
    ((password_hash,),) = await execute(app, "SELECT password_hash FROM users")
    assert str(password_hash).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_login_returns_tokens(tokens: dict[str, str], client: httpx2.AsyncClient):
    """Login returns an access token valid for 30 minutes, and a refresh token."""
    assert tokens.keys() == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 1800)
    me = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert me.json()["email"] == "ann@example.com"


async def test_login_does_not_reveal_accounts(
    tokens: dict[str, str], client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    """A wrong password and an unknown account have the same response and the same cost."""
    assert tokens
    verified = []
    verify = passwords._verify_password_sync

    def counted(password_hash: str | None, password: str) -> bool:
        verified.append(password_hash or passwords._dummy_hash())
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_verify_password_sync", counted)
    responses = [
        await client.post(LOGIN, json={"email": email, "password": "Wrong-Pass-123"})
        for email in ("ann@example.com", "unknown@example.com")
    ]
    assert [response.status_code for response in responses] == [401, 401]
    bodies = [response.json()["error"] for response in responses]
    assert bodies[0]["message"] == bodies[1]["message"]
    existing, unknown = (password_hash.rsplit("$", 2)[0] for password_hash in verified)
    assert existing == unknown  # the same parameters, and so the same duration


async def test_refresh_token_is_rotated(tokens: dict[str, str], client: httpx2.AsyncClient):
    """A refresh token is exchanged for a new one, which can be exchanged again."""
    first = await refresh(client, tokens["refresh_token"])
    assert first.status_code == 200
    assert first.json()["refresh_token"] != tokens["refresh_token"]
    assert (await refresh(client, first.json()["refresh_token"])).status_code == 200


async def test_a_spent_refresh_token_revokes_its_family(
    tokens: dict[str, str], client: httpx2.AsyncClient
):
    """A refresh token that is used twice revokes all tokens of its login, and no others."""
    other_login = await log_in(client)
    successor = (await refresh(client, tokens["refresh_token"])).json()["refresh_token"]
    reused = await refresh(client, tokens["refresh_token"])
    assert (reused.status_code, reused.json()["error"]["code"]) == (401, "invalid_refresh_token")
    assert (await refresh(client, successor)).status_code == 401
    assert (await refresh(client, other_login["refresh_token"])).status_code == 200


async def test_concurrent_refreshes_succeed_once(
    tokens: dict[str, str], client: httpx2.AsyncClient
):
    """Of several concurrent refreshes with the same token, one succeeds."""
    responses = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200, 401, 401, 401, 401]


async def test_logout_revokes_refresh_tokens(tokens: dict[str, str], client: httpx2.AsyncClient):
    """After logout the refresh tokens of the login are invalid."""
    successor = (await refresh(client, tokens["refresh_token"])).json()["refresh_token"]
    response = await client.post(LOGOUT, json={"refresh_token": successor})
    assert (response.status_code, response.content) == (204, b"")
    assert (await refresh(client, successor)).status_code == 401


async def test_refresh_tokens_expire(
    tokens: dict[str, str], client: httpx2.AsyncClient, app: FastAPI
):
    """An expired refresh token is rejected, and deleted at the next login."""
    await execute(app, "UPDATE refresh_tokens SET expires_at = now()")
    assert (await refresh(client, tokens["refresh_token"])).status_code == 401
    await log_in(client)
    assert await execute(app, "SELECT count(*) FROM refresh_tokens") == [(1,)]


async def test_refresh_tokens_are_stored_hashed(tokens: dict[str, str], app: FastAPI):
    """The database contains refresh tokens only as hashes."""
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
async def test_missing_or_invalid_token_is_401(
    client: httpx2.AsyncClient, header: str | None, code: str
):
    """A missing or invalid token is a 401 with WWW-Authenticate."""
    response = await client.get(ME, headers={} if header is None else {"Authorization": header})
    assert (response.status_code, response.json()["error"]["code"]) == (401, code)
    assert response.headers["www-authenticate"] == "Bearer"


def forge_token(settings: Settings, **changes: object) -> str:
    """Create an access token outside of the service."""
    claims = {"sub": str(uuid.uuid4()), "role": "admin", "exp": int(time.time()) + 60} | changes
    return jwt.encode(claims, settings.signing_key(), algorithm="HS256")


@pytest.mark.parametrize("missing", ["sub", "role", "exp"])
async def test_token_without_a_claim_is_rejected(
    client: httpx2.AsyncClient, settings: Settings, missing: str
):
    """A correctly signed token that lacks a claim is rejected."""
    claims = jwt.decode(forge_token(settings), settings.signing_key(), algorithms=["HS256"])
    del claims[missing]
    token = jwt.encode(claims, settings.signing_key(), algorithm="HS256")
    assert (await client.get(ME, headers={"Authorization": f"Bearer {token}"})).status_code == 401


async def test_token_with_another_signature_is_rejected(client: httpx2.AsyncClient):
    """A token that is signed with another key, or not signed, is rejected."""
    claims = {"sub": str(uuid.uuid4()), "role": "admin", "exp": int(time.time()) + 60}
    for token in (
        jwt.encode(claims, "another key, just as long as ours is", algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
    ):
        response = await client.get(ME, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401


async def test_cached_token_expires(
    client: httpx2.AsyncClient, settings: Settings, tokens: dict[str, str]
):
    """A token that was verified before is rejected after it has expired."""
    claims = jwt.decode(tokens["access_token"], settings.signing_key(), algorithms=["HS256"])
    soon = forge_token(settings, sub=claims["sub"], exp=int(time.time()) + 2)
    headers = {"Authorization": f"Bearer {soon}"}
    assert (await client.get(ME, headers=headers)).status_code == 200
    async with asyncio.timeout(DEADLINE_S):
        while (response := await client.get(ME, headers=headers)).status_code == 200:  # noqa: ASYNC110 -- a clock has no event
            await asyncio.sleep(0.05)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "token_expired")


async def test_deleted_account_is_401(
    client: httpx2.AsyncClient, app: FastAPI, tokens: dict[str, str]
):
    """Tokens of a deleted account are a 401 wherever the account is read or written."""
    await execute(app, "DELETE FROM users")
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    for response in (
        await client.get(ME, headers=headers),
        await client.post("/api/patients/", json={"full_name": "Bo"}, headers=headers),
        await refresh(client, tokens["refresh_token"]),
        await client.post(LOGIN, json={"email": ANN["email"], "password": PASSWORD}),
    ):
        assert response.status_code == 401, response.text


async def test_account_deleted_during_a_login_is_401(
    client: httpx2.AsyncClient,
    app: FastAPI,
    tokens: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
):
    """An account that is deleted while its password is checked is a 401."""
    assert tokens

    async def delete_and_verify(_hash: str | None, _password: str) -> bool:
        await execute(app, "DELETE FROM users")
        return True

    monkeypatch.setattr(passwords, "verify_password", delete_and_verify)
    response = await client.post(LOGIN, json={"email": ANN["email"], "password": PASSWORD})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "account_deleted")


@pytest.mark.parametrize(
    "email",
    [
        "\u0130" * 240 + "@example.com",  # longer in lower case
        "\u0958" * 125 + "@example.com",  # longer in NFC
        "ann\u200b@example.com",
        "ann\u202e@example.com",
        "ann@exam\x7fple.com",
        "ann@example.com\n",
    ],
)
async def test_address_is_checked_after_it_was_normalized(client: httpx2.AsyncClient, email: str):
    """An address that is too long in lower case, or has invisible characters, is never a 500."""
    response = await client.post(SIGNUP, json=ANN | {"email": email})
    assert response.status_code == (201 if email.endswith("\n") else 422), response.text


async def test_spellings_of_an_address_are_one_account(client: httpx2.AsyncClient):
    """An address in composed and in decomposed letters, in any case, is the same account."""
    assert (
        await client.post(SIGNUP, json=ANN | {"email": "J\u00dcrgen@example.com"})
    ).status_code == 201
    again = await client.post(SIGNUP, json=ANN | {"email": "ju\u0308rgen@EXAMPLE.com"})
    assert again.status_code == 409
    credentials = {"email": "Ju\u0308rgen@example.com", "password": PASSWORD}
    assert (await client.post(LOGIN, json=credentials)).status_code == 200


async def test_concurrent_signups_of_one_address_create_one_account(client: httpx2.AsyncClient):
    """Of several concurrent sign-ups with one address, one is a 201 and the others are 409s."""
    responses = await asyncio.gather(*(client.post(SIGNUP, json=ANN) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [201, 409, 409, 409, 409]


async def test_patient_role_is_forbidden_for_therapist_endpoints(
    client: httpx2.AsyncClient, sign_up: SignUp
):
    """An account with the role patient gets a 403 from a therapist's endpoint."""
    headers = await sign_up("pat@example.com", role="patient")
    response = await client.get("/api/patients/", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden")
