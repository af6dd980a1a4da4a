"""Two tenants with records, and accounts of the other roles."""

import io
import uuid
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg
import httpx2
from app.providers.rules import extract_notes

PASSWORD: Final = "TestPass123!"  # noqa: S105  of accounts that this campaign makes
ROLES: Final = ("therapist", "patient", "admin", "anonymous")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A therapist with two patients and two sessions.

    Attributes:
        name: "ann" or "bob".
        headers: Those of requests.
        marker: A text that is in all fields of the records, and nowhere else.
        ids: Identifiers of one record of each kind, by their name in the document.
        secrets: Texts that no other account may see: the marker and the identifiers of all records.
    """

    name: str
    headers: Mapping[str, str]
    marker: str
    ids: Mapping[str, str]
    secrets: frozenset[str]


async def log_in(
    client: httpx2.AsyncClient, database_url: str, name: str, role: str
) -> dict[str, str]:
    """Create an account, and return the headers of its requests.

    Raises:
        AssertionError: The service does not create it.
    """
    if role == "anonymous":
        return {}
    email = f"{name}-{uuid.uuid4().hex}@example.com"
    person = {
        "email": email,
        "password": PASSWORD,
        "full_name": name,
        "role": "patient" if role == "admin" else role,
    }
    await _ok(await client.post("/api/v1/auth/signup", json=person))
    if role == "admin":  # cannot sign up
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute("UPDATE users SET role = 'admin' WHERE email = $1", email)
        finally:
            await connection.close()
    credentials = {"email": email, "password": PASSWORD}
    found = await _ok(await client.post("/api/v1/auth/login", json=credentials))
    return {"Authorization": f"Bearer {found.json()['access_token']}"}


async def make_tenant(client: httpx2.AsyncClient, database_url: str, name: str) -> Tenant:
    """Create a therapist with records.

    Raises:
        AssertionError: The service does not create one of them.
    """
    headers = await log_in(client, database_url, name, "therapist")
    marker = f"{name}{uuid.uuid4().hex}"
    pairs = [await _make_records(client, headers, marker, number) for number in (1, 2)]
    connection = await asyncpg.connect(database_url)
    try:
        for _, session_id in pairs:
            await connection.execute(
                "UPDATE sessions SET transcript = $2, transcriber = 'x', status = 'transcribed'"
                " WHERE id = $1",
                uuid.UUID(session_id),
                marker,
            )
            notes = extract_notes(f"I feel better, {marker}.").model_dump_json()
            await connection.execute(
                "INSERT INTO notes (session_id, content) VALUES ($1, $2)",
                uuid.UUID(session_id),
                notes,
            )
    finally:
        await connection.close()
    patient_id, session_id = pairs[0]
    ids = {"patient_id": patient_id, "session_id": session_id}
    secrets = {marker, *(each for pair in pairs for each in pair)}
    return Tenant(name, headers, marker, ids, frozenset(secrets))


async def _make_records(
    client: httpx2.AsyncClient, headers: Mapping[str, str], marker: str, number: int
) -> tuple[str, str]:
    person = {"full_name": f"{marker} {number}", "email": f"{marker}{number}@example.com"}
    patient = await _ok(
        await client.post("/api/patients/", json={**person, "phone": marker}, headers=headers)
    )
    patient_id: str = patient.json()["id"]
    session = await _ok(
        await client.post(
            "/api/sessions/upload",
            headers=headers,
            data={"patient_id": patient_id, "notes": marker},
            files={"file": ("a.wav", wav(marker))},
        )
    )
    session_id: str = session.json()["id"]
    return patient_id, session_id


def wav(marker: str) -> bytes:
    """Return a recording with a text in its samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(16_000)
        recording.writeframes(marker.encode().ljust(3200, b"\0"))
    return file.getvalue()


async def _ok(response: httpx2.Response) -> httpx2.Response:
    assert response.is_success, f"{response.request.url}: {response.status_code} {response.text}"
    return response
