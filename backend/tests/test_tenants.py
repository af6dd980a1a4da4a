"""No therapist sees another's records, by any endpoint there is."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from app.notes.repository import put_notes
from app.providers.rules import extract_notes
from fastapi import FastAPI
from recordings import SignUp, give_transcript, upload, wav

# Reads and writes about nobody but the caller, or about nobody at all.
_NOT_CLINICAL = ("/", "/live", "/ready", "/health", "/metrics", "/api/v1/auth/")
# Lists and makers: without an id in the path they can only show or make what is the caller's.
_WITHOUT_ID = {
    ("get", "/api/patients/"),
    ("post", "/api/patients/"),
    ("get", "/api/sessions/"),
    ("post", "/api/sessions/upload"),
}


def _clinical(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Each operation of the OpenAPI document that touches clinical records."""
    for path, operations in app.openapi()["paths"].items():
        if path in _NOT_CLINICAL or path.startswith(_NOT_CLINICAL[-1]):
            continue
        for method in operations:
            yield method, path


async def _call(
    client: httpx2.AsyncClient, method: str, path: str, ids: dict[str, str], headers: dict[str, str]
) -> httpx2.Response:
    body: dict[str, Any] = {"json": {}} if method in {"post", "patch", "put"} else {}
    return await client.request(method, path.format_map(ids), headers=headers, **body)


@pytest.fixture
async def anns(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
) -> dict[str, str]:
    """The ids of one patient and one session of Ann's, which has all a session can have."""
    session_id = await upload(client, ann, patient_id, wav())
    await give_transcript(app, session_id)
    async with app.state.database.session() as session:
        await put_notes(session, UUID(session_id), extract_notes("I feel better today."))
    return {"patient_id": patient_id, "session_id": session_id}


async def test_every_endpoint_hides_anothers_records(
    app: FastAPI,
    client: httpx2.AsyncClient,
    sign_up: SignUp,
    ann: dict[str, str],
    anns: dict[str, str],
):
    """Every operation with an id in its path works for its therapist and is a 404 for another."""
    bob = await sign_up("bob@example.com")
    walked = {operation for operation in _clinical(app) if "{" in operation[1]}
    assert len(walked) >= 8
    for method, path in walked:
        own = await _call(client, method, path, anns, ann)
        assert own.status_code in {200, 202}, f"{method} {path}: {own.text}"
        answer = await _call(client, method, path, anns, bob)
        assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        assert answer.json()["error"]["code"] == "not_found", f"{method} {path}"


async def test_no_endpoint_is_left_out(app: FastAPI):
    """A new clinical operation without an id in its path is considered here before it ships."""
    assert {operation for operation in _clinical(app) if "{" not in operation[1]} == _WITHOUT_ID


async def test_lists_show_nothing_of_anothers(
    client: httpx2.AsyncClient, sign_up: SignUp, anns: dict[str, str]
):
    """Lists are empty for a therapist without records, also when they name another's patient."""
    bob = await sign_up("bob@example.com")
    mine = {"patient_id": anns["patient_id"]}
    assert (await client.get("/api/patients/", headers=bob)).json() == []
    assert (await client.get("/api/sessions/", headers=bob)).json() == []
    assert (await client.get("/api/sessions/", params=mine, headers=bob)).json() == []


@pytest.mark.parametrize("where", ["query", "form"])
async def test_nobody_uploads_to_anothers_patient(
    client: httpx2.AsyncClient, sign_up: SignUp, anns: dict[str, str], where: str
):
    """An upload for another therapist's patient is a 404, wherever it names the patient."""
    bob = await sign_up("bob@example.com")
    patient = {"patient_id": anns["patient_id"]}
    answer = await client.post(
        "/api/sessions/upload",
        headers=bob,
        params=patient if where == "query" else None,
        data=patient if where == "form" else None,
        files={"file": ("a.wav", wav())},
    )
    assert answer.status_code == 404
    assert (await client.get("/api/sessions/", headers=bob)).json() == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
async def test_every_clinical_endpoint_wants_a_token(
    app: FastAPI, client: httpx2.AsyncClient, anns: dict[str, str], headers: dict[str, str]
):
    """Every clinical operation is a 401 without a valid token."""
    for method, path in _clinical(app):
        answer = await _call(client, method, path, anns, headers)
        assert answer.status_code == 401, f"{method} {path}: {answer.text}"


async def test_clinical_records_are_for_therapists_alone(
    app: FastAPI, client: httpx2.AsyncClient, sign_up: SignUp, anns: dict[str, str]
):
    """An account that is no therapist's gets a 403 from every clinical operation."""
    patient = await sign_up("cy@example.com", role="patient")
    for method, path in _clinical(app):
        answer = await _call(client, method, path, anns, patient)
        assert answer.status_code == 403, f"{method} {path}: {answer.text}"
