"""SECURITY.md names tests that exist, and what it says of accounts and sessions is true."""

import ast
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from recordings import upload, wav
from service import BACKEND, PASSWORD

TEXT = (BACKEND.parent / "SECURITY.md").read_text()
ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
REQUIREMENTS = {
    "5": {1: 1, 2: 3, 3: 2, 4: 3},
    "6": {1: 3, 2: 12, 3: 4, 4: 4, 5: 5, 6: 3, 8: 4},
    "7": {1: 3, 2: 4, 3: 2, 4: 5, 5: 2, 6: 2},
    "8": {1: 2, 2: 3, 3: 1, 4: 1},
}
"""Number of requirements of levels 1 and 2 in each section of ASVS 5.0.0; they come first."""
SIGNUP, LOGIN, REFRESH = (f"/api/v1/auth/{name}" for name in ("signup", "login", "refresh"))
ANN = {"email": "ann@example.com", "full_name": "Ann Example", "role": "therapist"}
SignUp = Callable[..., Awaitable[dict[str, str]]]


def test_every_requirement_is_answered_once():
    """The tables have each requirement of levels 1 and 2, in order."""
    expected = [
        f"{chapter}.{section}.{number}"
        for chapter, sections in REQUIREMENTS.items()
        for section, count in sections.items()
        for number in range(1, count + 1)
    ]
    assert [row[0] for row in ROW.findall(TEXT)] == expected
    assert len(expected) == len(re.findall(r"^\| \d", TEXT, re.MULTILINE))


@pytest.mark.parametrize("row", ROW.findall(TEXT), ids=lambda row: row[0])
def test_each_answer_has_a_test(row: tuple[str, str, str, str]):
    """A requirement that is met has a test, and one that is not says so."""
    _, _, how, tests = row
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", tests)
    assert ", ".join(f"`{file}::{name}`" for file, name in named) == tests
    assert named or how.startswith(("not met", "not applicable: ", "not applicable until "))
    for file, name in named:
        assert name in functions(BACKEND / "tests" / file), f"{file}::{name}"


def functions(path: Path) -> set[str]:
    """Return the names of all functions and methods in a file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


@pytest.mark.parametrize("password", [" Padded Pass 1! ", "Aa1!" * 64, "Ünïcode Päss 1!"])
async def test_password_is_checked_as_sent(client: httpx2.AsyncClient, password: str):
    """A password is neither trimmed, shortened nor changed in case, and may have 256 characters."""
    assert (await client.post(SIGNUP, json=ANN | {"password": password})).status_code == 201
    for other in (password.strip(" !"), password[:-1], password.swapcase()):
        wrong = await client.post(LOGIN, json={"email": ANN["email"], "password": other})
        assert wrong.status_code == 401
    right = await client.post(LOGIN, json={"email": ANN["email"], "password": password})
    assert right.status_code == 200


def test_accounts_have_no_end_hint_or_second_way(app: FastAPI):
    """Accounts have an address, a password hash, a role and a name: nothing expires or hints."""
    from app.auth.models import User

    columns = {column.name for column in User.__table__.columns}
    assert columns == {"id", "email", "password_hash", "role", "full_name", "created_at"}
    paths = {path for path in app.openapi()["paths"] if "/auth/" in path}
    names = {path.rpartition("/")[2] for path in paths}
    assert names == {"signup", "login", "refresh", "logout", "me"}


async def test_refresh_tokens_are_random(client: httpx2.AsyncClient, sign_up: SignUp):
    """A refresh token has 256 random bits."""
    await sign_up()
    body = {"email": "ann@example.com", "password": PASSWORD}
    found = {(await client.post(LOGIN, json=body)).json()["refresh_token"] for _ in range(3)}
    assert len(found) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in found)


async def test_logins_are_independent(client: httpx2.AsyncClient, sign_up: SignUp):
    """An account can be logged in on several devices; a log-out ends its own log-in only."""
    await sign_up()
    body = {"email": "ann@example.com", "password": PASSWORD}
    first, second = [(await client.post(LOGIN, json=body)).json() for _ in range(2)]
    left = {"refresh_token": first["refresh_token"]}
    assert (await client.post("/api/v1/auth/logout", json=left)).status_code == 204
    assert (await client.post(REFRESH, json=left)).status_code == 401
    kept = {"refresh_token": second["refresh_token"]}
    assert (await client.post(REFRESH, json=kept)).status_code == 200


async def test_download_has_a_name_of_the_service(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """A recording is sent as an attachment named by its id, whatever the client called it."""
    session_id = await upload(client, ann, patient_id, wav())
    response = await client.get(f"/api/sessions/{session_id}/audio", headers=ann)
    disposition = response.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="[\w-]+\.wav"', disposition)
    assert session_id in disposition


async def test_other_fields_cannot_be_written(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, sign_up: SignUp
):
    """Fields that a request's schema lacks, such as the owner or the status, are not written."""
    await sign_up("bob@example.com")
    session = f"/api/sessions/{await upload(client, ann, patient_id, wav())}"
    before = (await client.get(session, headers=ann)).json()
    forged = {"status": "processed", "transcript": "forged", "id": patient_id}
    await client.patch(session, json=forged, headers=ann)
    assert (await client.get(session, headers=ann)).json() == before
    patient = f"/api/patients/{patient_id}"
    before = (await client.get(patient, headers=ann)).json()
    await client.patch(patient, json={"therapist_id": patient_id, "id": session[-36:]}, headers=ann)
    assert (await client.get(patient, headers=ann)).json() == before
