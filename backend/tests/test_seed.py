"""`python -m app.seed`: made-up data, the same each time."""

import subprocess
from typing import Any

import asyncpg
import httpx2
import pytest
from app.seed.rows import PASSWORD, PATIENTS_PER_USER, TEST_EMAIL, emails, sessions_per_account
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from service import run_backend

TABLES = ("users", "patients", "sessions", "notes")


async def _rows(database_url: str) -> dict[str, set[tuple[Any, ...]]]:
    connection = await asyncpg.connect(database_url)
    try:
        return {
            table: {tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")}  # noqa: S608 -- our names
            for table in TABLES
        }
    finally:
        await connection.close()


async def test_a_second_run_changes_nothing_and_a_larger_one_adds(database_url: str):
    """The same rows are there after a second run; more sessions leave the earlier ones alone."""
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


async def test_the_test_account_logs_in_and_sees_its_sessions(
    app: FastAPI, client: httpx2.AsyncClient
):
    """The test account has at least 50 sessions with transcripts and notes, over the API."""
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


async def test_an_account_that_was_there_keeps_its_id(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str]
):
    """Seeding beside an account of the same address adds to that one."""
    url = app.state.settings.driver_url
    async with app.state.database.driver_connection() as connection:
        await connection.execute("UPDATE users SET email = $1", TEST_EMAIL)
    run_backend("-m", "app.seed", "--sessions", "55", "--users", "0", database_url=url)
    assert len((await client.get("/api/patients/", headers=ann)).json()) == PATIENTS_PER_USER


def test_a_missing_database_is_one_plain_line():
    """An address where nobody listens ends with advice, not with a traceback."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        run_backend("-m", "app.seed", database_url="postgresql://nobody@127.0.0.1:9/none")
    assert "Check DATABASE_URL" in failed.value.stderr
    assert "Traceback" not in failed.value.stderr


@given(st.integers(0, 300), st.integers(0, 30_000))
def test_the_sessions_are_shared_out(users: int, sessions: int):
    """The shares add up, the test account has its 50, and the others differ by at most one."""
    accounts = emails(users)
    found = sessions_per_account(accounts, sessions)
    assert sum(found.values()) == sessions
    assert found[TEST_EMAIL] >= min(50, sessions)
    others = [count for email, count in found.items() if email != TEST_EMAIL]
    assert not others or max(others) - min(others) <= 1
