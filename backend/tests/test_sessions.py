"""The list of sessions, and single ones, over HTTP."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from app.sessions.models import Status
from app.sessions.schemas import SessionSummary
from app.settings import Settings
from fastapi import FastAPI
from hypothesis import HealthCheck, given
from hypothesis import settings as tuned
from hypothesis import strategies as st
from recordings import give_transcript, make_patient, upload, wav
from service import run_backend

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def put_sessions(app: FastAPI, patient_id: str) -> Callable[..., Any]:
    """Puts sessions of Ann's into the database: one for each given minute."""

    async def put(minutes: list[int], status: Status = Status.PROCESSED) -> list[str]:
        ids = [uuid.uuid4() for _ in minutes]
        dates = [NOON + timedelta(minutes=minute) for minute in minutes]
        async with app.state.database.driver_connection() as connection:
            await connection.execute(
                """
                INSERT INTO sessions (id, patient_id, therapist_id, session_date, status)
                SELECT unnest($1::uuid[]), patients.id, therapist_id, unnest($2::timestamptz[]), $3
                FROM patients WHERE patients.id = $4
                """,
                *(ids, dates, status.value, uuid.UUID(patient_id)),
            )
        return [str(one) for one in ids]

    return put


async def _walk(
    client: httpx2.AsyncClient, headers: dict[str, str], target: str
) -> list[list[dict[str, Any]]]:
    """All pages, by their links."""
    pages = []
    while target:
        answer = await client.get(target, headers=headers)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        target = answer.links.get("next", {}).get("url", "")
    return pages


async def test_the_list_has_newest_first_without_transcripts(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], put_sessions: Callable[..., Any]
):
    """A summary has exactly the documented fields, newest session first, and no transcript."""
    old, new, middle = await put_sessions([1, 3, 2])
    await give_transcript(app, old, "words")
    listed = (await client.get("/api/sessions/", headers=ann)).json()
    assert [one["id"] for one in listed] == [new, middle, old]
    assert set(listed[0]) == set(SessionSummary.model_fields)
    alone = (await client.get(f"/api/sessions/{new}", headers=ann)).json()
    assert SessionSummary.model_validate(listed[0]) == SessionSummary.model_validate(alone)
    assert [SessionSummary.model_validate(one).status for one in listed][2] is Status.TRANSCRIBED


async def test_an_empty_list_is_an_empty_array(client: httpx2.AsyncClient, ann: dict[str, str]):
    """A therapist without sessions gets `[]` and no link."""
    answer = await client.get("/api/sessions/", headers=ann)
    assert answer.json() == []
    assert "link" not in answer.headers


async def test_the_list_is_filtered(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    patient_id: str,
    put_sessions: Callable[..., Any],
):
    """Patient and status narrow the list, alone and together, and stay in the link."""
    done = await put_sessions([1, 2, 3])
    await put_sessions([4, 5], Status.FAILED)
    other = await make_patient(client, ann)
    for query, expected in (
        (f"status=processed&patient_id={patient_id}", done),
        ("status=processed", done),
        (f"patient_id={other}", []),
        ("status=uploading", []),
    ):
        pages = await _walk(client, ann, f"/api/sessions/?limit=2&{query}")
        assert [one["id"] for page in pages for one in page] == expected[::-1], query


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "status=done", "patient_id=1", "cursor=" + "a" * 2000],
)
async def test_a_wrong_query_is_refused(
    client: httpx2.AsyncClient, ann: dict[str, str], query: str
):
    """A parameter out of its range is a 422 that names it."""
    answer = await client.get(f"/api/sessions/?{query}", headers=ann)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["where"] == f"query.{query.partition('=')[0]}"


async def test_the_query_is_documented(app: FastAPI):
    """OpenAPI shows the list's parameters and rows although FastAPI does not resolve them."""
    described = app.openapi()["paths"]["/api/sessions/"]["get"]
    shown = {one["name"]: one["schema"] for one in described["parameters"]}
    assert set(shown) == {"limit", "patient_id", "status", "cursor"}
    assert shown["limit"]["maximum"] == 200
    assert set(shown["status"]["enum"]) == set(Status)
    rows = described["responses"]["200"]["content"]["application/json"]["schema"]
    assert rows["items"]["$ref"].endswith("/SessionSummary")


class TestPaging:
    """Walking the list by its links."""

    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings]) -> Settings:
        """The walks send more requests than the limit allows."""
        return make_settings(rate_limit_enabled=False)

    async def test_each_row_comes_once_in_order_while_others_arrive(
        self,
        app: FastAPI,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        put_sessions: Callable[..., Any],
    ):
        """Rows there at the start come exactly once and in order, whatever arrives meanwhile."""
        minutes = st.lists(st.integers(0, 5), max_size=12)  # many of the same date

        async def check(there: list[int], late: list[int], limit: int) -> None:
            async with app.state.database.driver_connection() as connection:
                await connection.execute("DELETE FROM sessions")
            first = set(await put_sessions(there))
            target, seen = f"/api/sessions/?limit={limit}", []
            while target:
                answer = await client.get(target, headers=ann)
                page = answer.json()
                assert len(page) <= limit
                seen += page
                if late:
                    await put_sessions([late.pop()])
                target = answer.links.get("next", {}).get("url", "")
            keys = [(one["session_date"], one["id"]) for one in seen]
            assert keys == sorted(set(keys), reverse=True)
            assert first <= {one["id"] for one in seen}

        loop = asyncio.get_running_loop()

        @tuned(
            max_examples=25,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(minutes, minutes, st.integers(1, 5))
        def run(there: list[int], late: list[int], limit: int) -> None:
            asyncio.run_coroutine_threadsafe(check(there, late, limit), loop).result()

        await asyncio.to_thread(run)

    async def test_a_full_last_page_has_no_next(
        self, client: httpx2.AsyncClient, ann: dict[str, str], put_sessions: Callable[..., Any]
    ):
        """A list of exactly two pages has two pages, not an empty third."""
        await put_sessions([1, 2, 3, 4])
        pages = await _walk(client, ann, "/api/sessions/?limit=2")
        assert [len(page) for page in pages] == [2, 2]

    async def test_the_sessions_of_a_patient_are_the_filtered_list(
        self,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        patient_id: str,
        put_sessions: Callable[..., Any],
    ):
        """A patient's sessions are those of the list with that filter, page by page."""
        await put_sessions([1, 2, 3])
        pages = await _walk(client, ann, f"/api/patients/{patient_id}/sessions?limit=2")
        listed = await client.get(f"/api/sessions/?patient_id={patient_id}", headers=ann)
        assert [len(page) for page in pages] == [2, 1]
        assert [one for page in pages for one in page] == listed.json()


async def test_a_page_reads_the_index_in_order(app: FastAPI, put_sessions: Callable[..., Any]):
    """PostgreSQL serves a page from the list's index, without sorting."""
    await put_sessions(list(range(2000)))
    async with app.state.database.driver_connection() as connection:
        await connection.execute("ANALYZE sessions")
        plan = await connection.fetch(
            """
            EXPLAIN SELECT id FROM sessions
            WHERE therapist_id = (SELECT therapist_id FROM sessions LIMIT 1)
              AND (session_date, id) < ($1, $2) ORDER BY session_date DESC, id DESC LIMIT 51
            """,
            *(NOON + timedelta(minutes=500), uuid.uuid4()),
        )
    text = "\n".join(str(line[0]) for line in plan)
    assert "Backward using ix_sessions_list" in text
    assert "Sort" not in text


async def test_a_session_is_read_and_changed(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """Date and own notes of a session can be changed; a date without a zone is UTC."""
    path = f"/api/sessions/{await upload(client, ann, patient_id, wav())}"
    change = {"session_date": "2026-02-03T10:00:00", "therapist_notes": "ünïcode"}
    changed = (await client.patch(path, json=change, headers=ann)).json()
    assert datetime.fromisoformat(changed["session_date"]) == datetime(2026, 2, 3, 10, tzinfo=UTC)
    assert changed["therapist_notes"] == "ünïcode"
    assert (await client.get(path, headers=ann)).json() == changed


@pytest.mark.parametrize(
    "change",
    [
        {"session_date": None},
        {"session_date": "0001-01-01T00:00:00+14:00"},
        {"session_date": "9999-12-31T23:59:59-14:00"},
        {"therapist_notes": "a\0b"},
        {"therapist_notes": "x" * 20_001},
    ],
)
async def test_a_change_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, change: dict[str, Any]
):
    """A date out of range or text that cannot be stored is a 422, never a 500."""
    path = f"/api/sessions/{await upload(client, ann, patient_id, wav())}"
    assert (await client.patch(path, json=change, headers=ann)).status_code == 422


async def test_the_migrations_make_what_the_models_say(database_url: str):
    """Alembic finds nothing to add to a database that was migrated."""
    run_backend("-m", "alembic", "check", database_url=database_url)
    connection = await asyncpg.connect(database_url)
    kept = await connection.fetchval(
        "SELECT relpersistence FROM pg_class WHERE relname='rate_limits'"
    )
    await connection.close()
    assert kept == b"u"
