"""Values that are sent twice, and the database's own check of who owns a session."""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from app.sessions import endpoints
from app.settings import Settings
from fastapi import FastAPI
from recordings import SignUp, make_patient, upload, wav

UPLOAD = "/api/sessions/upload"
LOGIN = "/api/v1/auth/login"


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings without rate limits."""
    return make_settings(rate_limit_enabled=False)


@pytest.fixture
async def bobs(client: httpx2.AsyncClient, sign_up: SignUp) -> str:
    """Id of a patient of Bob, another therapist."""
    return await make_patient(client, await sign_up("bob@example.com"))


def _files(settings: Settings) -> list[Path]:
    files = (path for path in Path(settings.storage_dir).rglob("*") if path.is_file())
    return [path for path in files if path.name != "owner"]  # the mark of the database


def _form(*fields: tuple[str, str], file_first: bool = False) -> dict[str, Any]:
    """Build a multipart body whose fields stand before or after the file."""
    texts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields
    ]
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    file = [head + wav() + b"\r\n"]
    body = b"".join(file + texts if file_first else texts + file) + b"--x--\r\n"
    return {"content": body, "headers": {"Content-Type": "multipart/form-data; boundary=x"}}


async def _send(
    client: httpx2.AsyncClient, ann: dict[str, str], query: str, form: dict[str, Any]
) -> httpx2.Response:
    headers = ann | form["headers"]
    return await client.post(f"{UPLOAD}{query}", headers=headers, content=form["content"])


@pytest.mark.parametrize("file_first", [False, True])
async def test_patient_of_query_and_form_must_be_the_same(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    patient_id: str,
    *,
    bobs: str,
    file_first: bool,
    settings: Settings,
):
    """An upload whose query and form name different patients is a 422 and leaves no file."""
    own = await make_patient(client, ann)
    for given in (bobs, own, str(uuid.uuid4()), "not an id", ""):
        form = _form(("patient_id", given), file_first=file_first)
        response = await _send(client, ann, f"?patient_id={patient_id}", form)
        assert response.status_code == 422, given
        assert response.json()["error"]["details"][0]["where"] == "body.patient_id"
    assert _files(settings) == []
    assert (await client.get("/api/sessions/", headers=ann)).json() == []


@pytest.mark.parametrize("file_first", [False, True])
async def test_repeated_form_field_must_be_the_same(
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    patient_id: str,
    *,
    bobs: str,
    file_first: bool,
    settings: Settings,
):
    """A form field that is sent twice with different values is a 422 and leaves no file."""
    own = ("patient_id", patient_id)
    for fields in (
        (own, ("patient_id", bobs)),
        (own, ("notes", "a"), ("notes", "b")),
        (own, ("notes", ""), ("notes", "b")),
        (own, ("session_date", "2026-01-01"), ("session_date", "2026-01-02")),
    ):
        response = await _send(client, ann, "", _form(*fields, file_first=file_first))
        assert response.status_code == 422, fields
    response = await _send(client, ann, "", _form(("patient_id", bobs), own, file_first=file_first))
    assert response.status_code == 422
    assert _files(settings) == []
    assert (await client.get("/api/sessions/", headers=ann)).json() == []


async def test_same_value_may_be_sent_twice(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str
):
    """A patient that query and form name alike, in any spelling of the id, is accepted."""
    form = _form(("patient_id", patient_id.upper()), ("patient_id", patient_id.upper()))
    query = f"?patient_id={patient_id}&patient_id={patient_id.upper()}"
    assert (await _send(client, ann, query, form)).status_code == 202


@pytest.mark.parametrize("field", ["notes", "patient_id"])
async def test_form_field_must_be_utf8(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, field: str
):
    """A form field that is not UTF-8 is a 422, and is not stored in an altered form."""
    form = _form(("patient_id", patient_id), (field, "?"))
    form["content"] = form["content"].replace(b"\r\n\r\n?\r\n", b"\r\n\r\n\xff\r\n")
    response = await _send(client, ann, "", form)
    assert response.status_code == 422


REPEATED = (
    "/api/sessions/?patient_id={own}&patient_id={bobs}",
    "/api/sessions/?patient_id={bobs}&patient_id={own}",
    "/api/sessions/?limit=1&limit=2",
    "/api/sessions/?status=failed&status=processed",
    "/api/patients/?limit=1&cursor=x&limit=2",
    "/api/patients/{own}?patient_id={bobs}",
    "/api/patients/{own}/sessions?patient_id={bobs}",
    "/api/patients/{own}/sessions?limit=1&limit=2",
    "/api/sessions/{session}?session_id={own}",
    "/api/sessions/{session}/notes?session_id={own}",
    "/api/sessions/{session}/audio?session_id={own}",
    "/api/v1/auth/me?x=1&x=2",
)


async def test_repeated_parameter_must_be_the_same(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, bobs: str
):
    """A parameter that the query repeats with another value, or the path contradicts, is a 422."""
    session_id = await upload(client, ann, patient_id, wav())
    for path in REPEATED:
        filled = path.format(own=patient_id, bobs=bobs, session=session_id)
        response = await client.get(filled, headers=ann)
        assert response.status_code == 422, f"{path}: {response.text}"
        assert response.json()["error"]["details"][0]["where"].startswith("query.")


async def test_repeated_patient_of_an_upload_must_be_the_same(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, bobs: str
):
    """An upload whose query names two patients is a 422."""
    query = f"?patient_id={bobs}&patient_id={patient_id}"
    assert (await _send(client, ann, query, _form())).status_code == 422


async def test_json_key_must_have_one_value(client: httpx2.AsyncClient):
    """A JSON object with a key twice and different values is a 422 that names the key."""
    headers = {"Content-Type": "application/json"}
    password = '"password": "TestPass123!"'
    for key, body in (
        ("email", f'{{"email": "ann@example.com", "email": "bob@example.com", {password}}}'),
        ("password", f'{{"email": "ann@example.com", {password}, "password": "x"}}'),
        ("y", f'{{"email": "ann@example.com", {password}, "x": {{"y": 1, "y": 1.0}}}}'),
        ("a", '[{"a": 1, "a": "1"}]'),
    ):
        response = await client.post(LOGIN, content=body, headers=headers)
        assert response.status_code == 422
        assert response.json()["error"]["details"] == [
            {"where": f"body.{key}", "message": "Given twice, with a difference"}
        ]


async def test_json_key_may_be_repeated_with_the_same_value(client: httpx2.AsyncClient):
    """A JSON object with a key twice and the same value is accepted."""
    body = '{"email": "a@example.com", "email": "a@example.com", "password": "x"}'
    headers = {"Content-Type": "application/vnd.api+json; charset=utf-8"}
    response = await client.post(LOGIN, content=body, headers=headers)
    assert response.json()["error"]["code"] == "wrong_credentials"


@pytest.mark.parametrize("name", ["session_id", "session_date"])
async def test_json_may_not_contradict_path_or_query(
    client: httpx2.AsyncClient, ann: dict[str, str], patient_id: str, name: str
):
    """A JSON body that has a value of the path or the query with a difference is a 422."""
    session_id = await upload(client, ann, patient_id, wav())
    path = f"/api/sessions/{session_id}?session_date=2026-01-01T00:00:00Z"
    given = {"session_id": str(uuid.uuid4()), "session_date": "2026-01-02T00:00:00Z"}[name]
    response = await client.patch(path, json={name: given}, headers=ann)
    assert response.status_code == 422
    assert response.json()["error"]["details"][0]["where"] == f"body.{name}"
    same = await client.patch(path, json={"session_id": session_id.upper()}, headers=ann)
    assert same.status_code == 200


async def test_two_access_tokens_are_refused(
    client: httpx2.AsyncClient, ann: dict[str, str], sign_up: SignUp
):
    """A request with two different Authorization headers is a 401."""
    bob = await sign_up("bob@example.com")
    for pair in ([ann, bob], [bob, ann], [ann, {"Authorization": "Bearer x"}]):
        headers = [("Authorization", each["Authorization"]) for each in pair]
        assert (await client.get("/api/v1/auth/me", headers=headers)).status_code == 401


async def test_database_refuses_a_session_with_a_patient_of_another_therapist(
    app: FastAPI, client: httpx2.AsyncClient, ann: dict[str, str], *, patient_id: str, bobs: str
):
    """PostgreSQL refuses to store or change a row that joins two therapists."""
    session_id = await upload(client, ann, patient_id, wav())
    async with app.state.database.driver_connection() as connection:
        bob = await connection.fetchval("SELECT id FROM users WHERE email LIKE 'bob%'")
        for statement, value, row in (
            ("UPDATE sessions SET patient_id = $1 WHERE id = $2", bobs, session_id),
            ("UPDATE sessions SET therapist_id = $1 WHERE id = $2", bob, session_id),
            ("UPDATE patients SET therapist_id = $1 WHERE id = $2", bob, patient_id),
        ):
            with pytest.raises(asyncpg.ForeignKeyViolationError):
                await connection.execute(statement, value, row)


async def test_patient_that_disappears_during_an_upload_is_404(
    app: FastAPI,
    client: httpx2.AsyncClient,
    ann: dict[str, str],
    *,
    patient_id: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
):
    """If the patient is deleted after its check, the upload is a 404 and leaves no file."""
    read = endpoints.read_upload

    async def read_and_delete(*arguments: Any) -> Any:  # noqa: ANN401 -- those of the function
        fields = await read(*arguments)
        async with app.state.database.driver_connection() as connection:
            await connection.execute("DELETE FROM patients")
        return fields

    monkeypatch.setattr(endpoints, "read_upload", read_and_delete)
    response = await _send(client, ann, "", _form(("patient_id", patient_id)))
    assert response.status_code == 404
    assert _files(settings) == []


async def test_invalid_json_is_named(client: httpx2.AsyncClient):
    """JSON that RFC 8259 does not allow is a 422 that says why."""
    headers = {"Content-Type": "application/json"}
    for body in (
        b"NaN",
        b'{"a": Infinity}',
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 5000,
        b"{",
        b"[1e999]",
    ):
        response = await client.post(LOGIN, content=body, headers=headers)
        assert response.status_code == 422, body
        assert "JSON" in response.json()["error"]["details"][0]["message"], body
    assert json.loads(response.text)["error"]["code"] == "validation_error"
