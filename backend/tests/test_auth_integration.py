"""Registers a therapist over HTTP and leaves sample data, wherever it is pointed.

    pytest tests/test_auth_integration.py::test_register_therapist

API_BASE_URL: a running service. DATABASE_URL: a database, for which a service is started here. With
neither, both are this test's own.
"""

import os
import secrets
import wave
from collections.abc import Callable, Iterator
from io import BytesIO

import httpx2
import pytest
from service import PASSWORD, Service, run_backend

SAMPLE_PATIENTS = ("Alex Sample", "Robin Sample", "Kim Sample")


@pytest.fixture
def api(serve: Callable[..., Service]) -> Iterator[httpx2.Client]:
    """A client of the service that the environment names, or of one of our own."""
    url = os.environ.get("API_BASE_URL")
    if url is None:
        given = os.environ.get("DATABASE_URL")
        if given is None:
            url = serve().url
        else:
            run_backend("-m", "alembic", "upgrade", "head", database_url=given)
            url = serve(DATABASE_URL=given).url
    with httpx2.Client(base_url=url, timeout=30) as client:
        yield client


def recording(seconds: int) -> bytes:
    """A WAV file of silence."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * seconds))
    return target.getvalue()


def test_register_therapist(api: httpx2.Client):
    """A therapist who signs up can log in, and keep patients and their sessions."""
    person = {
        "email": f"therapist-{secrets.token_hex(6)}@example.com",
        "password": PASSWORD,
        "full_name": "Sample Therapist",
        "role": "therapist",
    }
    made = api.post("/api/v1/auth/signup", json=person)
    assert made.status_code == 201, made.text
    login = api.post("/api/v1/auth/login", json={"email": person["email"], "password": PASSWORD})
    assert login.status_code == 200, login.text
    api.headers["Authorization"] = f"Bearer {login.json()['access_token']}"
    me = api.get("/api/v1/auth/me").json()
    assert (me["email"], me["role"]) == (person["email"], "therapist")

    uploaded = []
    for number, name in enumerate(SAMPLE_PATIENTS, start=1):
        patient = api.post("/api/patients/", json={"full_name": name})
        assert patient.status_code == 201, patient.text
        audio = recording(number)
        upload = api.post(
            "/api/sessions/upload",
            files={"file": ("session.wav", audio, "audio/wav")},
            data={"patient_id": patient.json()["id"], "notes": "A sample."},
        )
        assert upload.status_code == 202, upload.text
        uploaded.append(upload.json()["id"])
        assert api.get(f"/api/sessions/{uploaded[-1]}/audio").content == audio

    assert {one["full_name"] for one in api.get("/api/patients/").json()} == set(SAMPLE_PATIENTS)
    assert {one["id"] for one in api.get("/api/sessions/").json()} == set(uploaded)
