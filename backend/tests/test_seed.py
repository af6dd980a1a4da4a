"""`python -m app.seed`: reproducible synthetic data."""

import subprocess
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx2
import pytest
from app.auth.passwords import hash_password_sync
from app.seed.__main__ import SeedError, seed
from app.seed.rows import PASSWORD, PATIENTS_PER_USER, TEST_EMAIL, emails, sessions_per_account
from argon2 import extract_parameters
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from service import run_backend

TABLES = ("users", "patients", "sessions", "notes")


@pytest.fixture(autouse=True)
def quick_hashing() -> None:
    """Hash as the service does, unlike in other tests."""


async def _rows(database_url: str) -> dict[str, set[tuple[Any, ...]]]:
    connection = await asyncpg.connect(database_url)
    try:
        return {
            table: {tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")}  # noqa: S608 -- constants
            for table in TABLES
        }
    finally:
        await connection.close()


async def test_seed_is_idempotent_and_incremental(database_url: str):
    """A second run changes nothing, and a larger one adds rows without changing others."""
    small = ("-m", "app.seed", "--sessions", "120", "--users", "3")
    run_backend(*small, database_url=database_url)
    first = await _rows(database_url)
    assert {table: len(rows) for table, rows in first.items()} == {
        "users": 4,
        "patients": 4 * PATIENTS_PER_USER,
        "sessions": 120,
        "notes": 120,
    }
    assert "added 0 users, 0 patients, 0 sessions, 0 notes" in run_backend(
        *small, database_url=database_url
    )
    assert await _rows(database_url) == first
    run_backend("-m", "app.seed", "--sessions", "200", "--users", "3", database_url=database_url)
    more = await _rows(database_url)
    assert all(first[table] <= more[table] for table in TABLES)
    assert len(more["sessions"]) == 200


async def test_test_account_has_sessions(app: FastAPI, client: httpx2.AsyncClient):
    """The test account can log in and has at least 50 sessions with transcripts and notes."""
    url = app.state.settings.driver_url
    run_backend("-m", "app.seed", "--sessions", "60", "--users", "2", database_url=url)
    person = {"email": TEST_EMAIL, "password": PASSWORD}
    login = await client.post("/api/v1/auth/login", json=person)
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    listed = (await client.get("/api/sessions/?limit=200", headers=headers)).json()
    assert len(listed) >= 50
    path = f"/api/sessions/{listed[0]['id']}"
    session = (await client.get(path, headers=headers)).json()
    assert session["transcript"].startswith("Synthetic session")
    assert session["status"] == "processed"
    assert (await client.get(f"{path}/notes", headers=headers)).json()["extractor"] == "rules"
    assert (await client.get(f"{path}/audio", headers=headers)).status_code == 404


async def test_existing_account_keeps_its_id(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str]
):
    """An existing account with the same address gets the seeded patients."""
    url = app.state.settings.driver_url
    async with app.state.database.driver_connection() as connection:
        await connection.execute("UPDATE users SET email = $1", TEST_EMAIL)
    run_backend("-m", "app.seed", "--sessions", "55", "--users", "0", database_url=url)
    assert len((await client.get("/api/patients/", headers=ann)).json()) == PATIENTS_PER_USER


@pytest.mark.usefixtures("client")
async def test_database_of_people_is_refused(
    database_url: str, sign_up: Callable[..., Awaitable[dict[str, str]]]
):
    """Accounts with a public password are added next to accounts of people only by force."""
    await sign_up("ann@practice.example")
    assert (await seed(database_url, users=1, sessions=0))["users"] == 2
    await sign_up("ann@practice.ch")
    assert (await seed(database_url, users=1, sessions=0))["users"] == 0
    with pytest.raises(SeedError, match=r"accounts of people \(1\)"):
        await seed(database_url, users=2, sessions=0)
    assert (await seed(database_url, users=2, sessions=0, force=True))["users"] == 1


async def test_hashes_have_the_parameters_of_the_service(database_url: str):
    """A log-in of a seeded account costs as much as one of an account that signed up."""
    await seed(database_url, users=0, sessions=0)
    connection = await asyncpg.connect(database_url)
    try:
        seeded = await connection.fetchval("SELECT password_hash FROM users")
    finally:
        await connection.close()
    assert extract_parameters(seeded) == extract_parameters(hash_password_sync(PASSWORD))


def test_unreachable_database_is_reported():
    """An unreachable database is an error with a hint, without a traceback."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run_backend("-m", "app.seed", database_url="postgresql://postgres@127.0.0.1:9/none")
    assert "Check DATABASE_URL" in failed.value.stderr
    assert "Traceback" not in failed.value.stderr


@given(st.integers(0, 300), st.integers(0, 30_000))
def test_sessions_are_distributed_evenly(users: int, sessions: int):
    """All sessions are distributed, 50 to the test account and the rest evenly."""
    accounts = emails(users)
    found = sessions_per_account(accounts, sessions)
    assert sum(found.values()) == sessions
    assert found[TEST_EMAIL] >= min(50, sessions)
    others = [count for email, count in found.items() if email != TEST_EMAIL]
    assert not others or max(others) - min(others) <= 1
