"""Clinical records are for therapists with a token, and for each only their own."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
from app.notes.repository import put_notes
from app.providers.rules import extract_notes
from fastapi import FastAPI
from recordings import SignUp, give_transcript, upload, wav

# Without clinical records.
_NOT_CLINICAL = ("/", "/live", "/ready", "/health", "/metrics", "/api/v1/auth/")
# Without an id in the path: these can list or create records of the caller only.
_WITHOUT_ID = {
    ("get", "/api/patients/"),
    ("post", "/api/patients/"),
    ("get", "/api/sessions/"),
    ("post", "/api/sessions/upload"),
}


def _clinical(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Yield each operation in the OpenAPI document that uses clinical records."""
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
    """Ids of a patient of Ann, and of a session with audio, transcript and notes."""
    session_id = await upload(client, ann, patient_id, wav())
    await give_transcript(app, session_id)
    async with app.state.database.session() as session:
        await put_notes(session, UUID(session_id), extract_notes("I feel better today."))
    return {"patient_id": patient_id, "session_id": session_id}


async def test_records_of_another_therapist_are_404(
    app: FastAPI,
    client: httpx2.AsyncClient,
    sign_up: SignUp,
    ann: dict[str, str],
    anns: dict[str, str],
):
    """Each operation with an id in its path works for the owner and is a 404 for others."""
    bob = await sign_up("bob@example.com")
    operations = {operation for operation in _clinical(app) if "{" in operation[1]}
    assert len(operations) >= 8
    for method, path in operations:
        own = await _call(client, method, path, anns, ann)
        assert own.status_code in {200, 202}, f"{method} {path}: {own.text}"
        response = await _call(client, method, path, anns, bob)
        assert response.status_code == 404, f"{method} {path}: {response.text}"
        if method != "head":
            assert response.json()["error"]["code"] == "not_found", f"{method} {path}"


async def test_operations_without_id_are_known(app: FastAPI):
    """The operations without an id in their path are those listed in this file."""
    assert {operation for operation in _clinical(app) if "{" not in operation[1]} == _WITHOUT_ID


async def test_lists_contain_own_records_only(
    client: httpx2.AsyncClient, sign_up: SignUp, anns: dict[str, str]
):
    """Lists of a therapist without records are empty, also when filtered by another's patient."""
    bob = await sign_up("bob@example.com")
    patient_filter = {"patient_id": anns["patient_id"]}
    assert (await client.get("/api/patients/", headers=bob)).json() == []
    assert (await client.get("/api/sessions/", headers=bob)).json() == []
    assert (await client.get("/api/sessions/", params=patient_filter, headers=bob)).json() == []


@pytest.mark.parametrize("where", ["query", "form"])
async def test_upload_for_a_patient_of_another_therapist_is_404(
    client: httpx2.AsyncClient, sign_up: SignUp, anns: dict[str, str], where: str
):
    """An upload for a patient of another therapist is a 404."""
    bob = await sign_up("bob@example.com")
    patient = {"patient_id": anns["patient_id"]}
    response = await client.post(
        "/api/sessions/upload",
        headers=bob,
        params=patient if where == "query" else None,
        data=patient if where == "form" else None,
        files={"file": ("a.wav", wav())},
    )
    assert response.status_code == 404
    assert (await client.get("/api/sessions/", headers=bob)).json() == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
async def test_clinical_endpoints_require_a_token(
    app: FastAPI, client: httpx2.AsyncClient, anns: dict[str, str], headers: dict[str, str]
):
    """Each clinical operation is a 401 without a valid token."""
    for method, path in _clinical(app):
        response = await _call(client, method, path, anns, headers)
        assert response.status_code == 401, f"{method} {path}: {response.text}"


async def test_clinical_endpoints_require_the_role_therapist(
    app: FastAPI, client: httpx2.AsyncClient, sign_up: SignUp, anns: dict[str, str]
):
    """Each clinical operation is a 403 for accounts with another role."""
    patient = await sign_up("cy@example.com", role="patient")
    for method, path in _clinical(app):
        response = await _call(client, method, path, anns, patient)
        assert response.status_code == 403, f"{method} {path}: {response.text}"
