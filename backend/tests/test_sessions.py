"""Sessions over HTTP: list, detail, changes."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx2
import pytest
from app.paging import encode_cursor
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
    """Inserts sessions of Ann, one for each given minute."""

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
        return [str(session_id) for session_id in ids]

    return put


async def _fetch_pages(
    client: httpx2.AsyncClient, headers: dict[str, str], target: str
) -> list[list[dict[str, Any]]]:
    """Return all pages, following their links."""
    pages = []
    while target:
        response = await client.get(target, headers=headers)
        assert response.status_code == 200, response.text
        pages.append(response.json())
        target = response.links.get("next", {}).get("url", "")
    return pages


async def test_list_is_sorted_and_has_no_transcripts(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], put_sessions: Callable[..., Any]
):
    """The list has the documented fields, newest sessions first, and no transcripts."""
    old, new, middle = await put_sessions([1, 3, 2])
    await give_transcript(app, old, "words")
    listed = (await client.get("/api/sessions/", headers=ann)).json()
    assert [session["id"] for session in listed] == [new, middle, old]
    assert set(listed[0]) == set(SessionSummary.model_fields)
    detail = (await client.get(f"/api/sessions/{new}", headers=ann)).json()
    assert SessionSummary.model_validate(listed[0]) == SessionSummary.model_validate(detail)
    assert [SessionSummary.model_validate(session).status for session in listed][
        2
    ] is Status.TRANSCRIBED


async def test_empty_list(client: httpx2.AsyncClient, ann: dict[str, str]):
    """The list of a therapist without sessions is `[]` and has no link."""
    response = await client.get("/api/sessions/", headers=ann)
    assert response.json() == []
    assert "link" not in response.headers


async def test_list_can_be_filtered(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    patient_id: str,
    put_sessions: Callable[..., Any],
):
    """The list can be filtered by patient and status, and links keep the filters."""
    done = await put_sessions([1, 2, 3])
    await put_sessions([4, 5], Status.FAILED)
    other = await make_patient(client, ann)
    for query, expected in (
        (f"status=processed&patient_id={patient_id}", done),
        ("status=processed", done),
        (f"patient_id={other}", []),
        ("status=uploading", []),
    ):
        pages = await _fetch_pages(client, ann, f"/api/sessions/?limit=2&{query}")
        assert [session["id"] for page in pages for session in page] == expected[::-1], query


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", "status=done", "patient_id=1", "cursor=" + "a" * 2000],
)
async def test_invalid_query_is_rejected(
    client: httpx2.AsyncClient, ann: dict[str, str], query: str
):
    """An invalid query parameter is a 422 that names the parameter."""
    response = await client.get(f"/api/sessions/?{query}", headers=ann)
    assert response.status_code == 422
    assert response.json()["error"]["details"][0]["where"] == f"query.{query.partition('=')[0]}"


async def test_cursor_without_a_time_zone_is_rejected(
    client: httpx2.AsyncClient, ann: dict[str, str]
):
    """A forged cursor does not depend on the time zone of the machine: it is a 400."""
    cursor = encode_cursor("2026-01-01T00:00:00", uuid.uuid4())
    response = await client.get("/api/sessions/", params={"cursor": cursor}, headers=ann)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_cursor")


async def test_query_is_documented(app: FastAPI):
    """OpenAPI documents the query parameters and rows of the list."""
    operation = app.openapi()["paths"]["/api/sessions/"]["get"]
    schemas = {item["name"]: item["schema"] for item in operation["parameters"]}
    assert set(schemas) == {"limit", "patient_id", "status", "cursor"}
    assert schemas["limit"]["maximum"] == 200
    assert set(schemas["status"]["enum"]) == set(Status)
    rows = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert rows["items"]["$ref"].endswith("/SessionSummary")


class TestPaging:
    """Pagination of the list."""

    @pytest.fixture
    def settings(self, make_settings: Callable[..., Settings]) -> Settings:
        """Settings without rate limits."""
        return make_settings(rate_limit_enabled=False)

    async def test_rows_are_neither_repeated_nor_skipped(
        self,
        app: FastAPI,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        put_sessions: Callable[..., Any],
    ):
        """Existing rows are listed exactly once and in order while others are inserted."""
        minutes = st.lists(st.integers(0, 5), max_size=12)  # with equal dates

        async def check(existing: list[int], inserted: list[int], limit: int) -> None:
            async with app.state.database.driver_connection() as connection:
                await connection.execute("DELETE FROM sessions")
            existing_ids = set(await put_sessions(existing))
            target, seen = f"/api/sessions/?limit={limit}", []
            while target:
                response = await client.get(target, headers=ann)
                page = response.json()
                assert len(page) <= limit
                seen += page
                if inserted:
                    await put_sessions([inserted.pop()])
                target = response.links.get("next", {}).get("url", "")
            keys = [(session["session_date"], session["id"]) for session in seen]
            assert keys == sorted(set(keys), reverse=True)
            assert existing_ids <= {session["id"] for session in seen}

        loop = asyncio.get_running_loop()

        @tuned(
            max_examples=25,
            deadline=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture],
        )
        @given(minutes, minutes, st.integers(1, 5))
        def run(existing: list[int], inserted: list[int], limit: int) -> None:
            asyncio.run_coroutine_threadsafe(check(existing, inserted, limit), loop).result()

        await asyncio.to_thread(run)

    async def test_full_last_page_has_no_link(
        self, client: httpx2.AsyncClient, ann: dict[str, str], put_sessions: Callable[..., Any]
    ):
        """A full last page has no link to an empty page."""
        await put_sessions([1, 2, 3, 4])
        pages = await _fetch_pages(client, ann, "/api/sessions/?limit=2")
        assert [len(page) for page in pages] == [2, 2]

    async def test_patient_sessions_equal_the_filtered_list(
        self,
        client: httpx2.AsyncClient,
        ann: dict[str, str],
        patient_id: str,
        put_sessions: Callable[..., Any],
    ):
        """The sessions of a patient are the list filtered by that patient."""
        await put_sessions([1, 2, 3])
        pages = await _fetch_pages(client, ann, f"/api/patients/{patient_id}/sessions?limit=2")
        listed = await client.get(f"/api/sessions/?patient_id={patient_id}", headers=ann)
        assert [len(page) for page in pages] == [2, 1]
        assert [session for page in pages for session in page] == listed.json()


async def test_page_uses_the_index(app: FastAPI, put_sessions: Callable[..., Any]):
    """PostgreSQL reads a page from an index, without sorting."""
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


async def test_session_can_be_changed(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """Date and therapist notes can be changed; a date without time zone is UTC."""
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
async def test_invalid_change_is_rejected(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, change: dict[str, Any]
):
    """A date out of range, or text that cannot be stored, is a 422."""
    path = f"/api/sessions/{await upload(client, ann, patient_id, wav())}"
    assert (await client.patch(path, json=change, headers=ann)).status_code == 422


async def test_migrations_match_the_models(database_url: str):
    """Alembic finds no difference between a migrated database and the models."""
    run_backend("-m", "alembic", "check", database_url=database_url)
    connection = await asyncpg.connect(database_url)
    persistence = await connection.fetchval(
        "SELECT relpersistence FROM pg_class WHERE relname='rate_limits'"
    )
    await connection.close()
    assert persistence == b"u"
