"""Register a therapist over HTTP and add sample data.

    pytest tests/test_auth_integration.py::test_register_therapist

Target: the running service at API_BASE_URL, or a service that is started for the database at
DATABASE_URL, or else for a temporary database.
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
    """HTTP client of the target."""
    url = os.environ.get("API_BASE_URL")
    if url is None:
        database_url = os.environ.get("DATABASE_URL")
        if database_url is None:
            url = serve().url
        else:
            run_backend("-m", "alembic", "upgrade", "head", database_url=database_url)
            url = serve(DATABASE_URL=database_url).url
    with httpx2.Client(base_url=url, timeout=30) as client:
        yield client


def recording(seconds: int) -> bytes:
    """Create a WAV file of silence."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(2 * 16_000 * seconds))
    return target.getvalue()


def test_register_therapist(api: httpx2.Client):
    """A new therapist can log in, add patients and upload sessions."""
    person = {
        "email": f"therapist-{secrets.token_hex(6)}@example.com",
        "password": PASSWORD,
        "full_name": "Sample Therapist",
        "role": "therapist",
    }
    signup = api.post("/api/v1/auth/signup", json=person)
    assert signup.status_code == 201, signup.text
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

    assert {patient["full_name"] for patient in api.get("/api/patients/").json()} == set(
        SAMPLE_PATIENTS
    )
    assert {session["id"] for session in api.get("/api/sessions/").json()} == set(uploaded)
