"""Journeys of a therapist, shared by `pytest_load_test.py` and `load_test.py` (Locust).

A journey is a generator that yields requests and receives the responses. It declares the expected
status (`expect`) and checks the content (`checks`), independent of how requests are sent. A failed
request is counted and ends the journey.
"""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any

import write_checks
from accounts import (
    Steps,
    StepsReturning,
    account,
    ensure_logged_in,
    unused_account,
    with_retries,
)
from checks import each_in, has, has_value, is_list_of, not_empty
from speech import recording

from straingauge import Pause, Request, TargetError, Upload, User, limit_concurrency, tagged

__all__ = ["account", "ensure_logged_in", "unused_account"]

NOTES_TIMEOUT_S = 30.0
NOTES_POLL_S = 1.0
SETUP_LISTS = {"patients": "/api/patients/", "sessions": "/api/sessions/?status=processed"}

_lists: dict[tuple[str, str], list[dict[str, Any]]] = {}
"""Lists by e-mail address and path, requested once per account, because users share its limit."""


@limit_concurrency(16)
def log_in(user: User) -> Steps:
    """Log in, and read the ids of the user's patients and newest sessions.

    Raises:
        TargetError: The account is rejected, or it has no patients or sessions.
    """
    yield from ensure_logged_in(user)
    for name, path in SETUP_LISTS.items():
        rows = yield from _fetch_list(user, path)
        if not rows:
            raise TargetError(
                f"{user.data['email']} has no {name}, so there is nothing to request:"
                " seed the database of the service with `python -m app.seed`"
            )
        user.data[name] = [row["id"] for row in rows]
        user.data.setdefault("foreign", {})[name] = _foreign_id(user, path)


@tagged("health")
def health(user: User) -> Steps:
    """Request the health check, which queries the database."""
    yield user.get("/health", checks=[has("status")])


@tagged("health")
def ready(user: User) -> Steps:
    """Request the readiness probe, like an orchestrator."""
    yield user.get("/ready")


@tagged("read")
def list_sessions(user: User) -> Steps:
    """List the newest sessions."""
    yield from ensure_logged_in(user)
    yield list_request(user)


@tagged("read", "db_pool")
def list_many_sessions(user: User) -> Steps:
    """List sessions with the maximum page size."""
    yield from ensure_logged_in(user)
    yield list_request(user, limit=200)


@tagged("read", "db_pool")
def session_detail(user: User) -> Steps:
    """Read one session with its transcript."""
    yield from ensure_logged_in(user)
    yield detail_request(user, user.random.choice(user.data["sessions"]))


@tagged("read", "db_pool")
def list_patients(user: User) -> Steps:
    """List the patients."""
    yield from ensure_logged_in(user)
    yield user.get("/api/patients/", checks=[is_list_of("id", "full_name"), not_empty])


@tagged("read", "db_pool")
def patient_sessions(user: User) -> Steps:
    """List the sessions of one patient."""
    yield from ensure_logged_in(user)
    patient = user.random.choice(user.data["patients"])
    yield user.get(
        f"/api/patients/{patient}/sessions",
        name="GET /api/patients/{id}/sessions",
        checks=[is_list_of("id", "patient_id"), each_in("patient_id", [patient])],
    )


@tagged("write")
def update_session(user: User) -> Steps:
    """Change the therapist notes of a session."""
    yield from ensure_logged_in(user)
    session = user.random.choice(user.data["sessions"])
    note = f"updated by a load test, {user.random.getrandbits(64):016x}"
    write_checks.record_note_sent(user, session, note)
    yield user.patch(
        f"/api/sessions/{session}",
        name="PATCH /api/sessions/{id}",
        json={"therapist_notes": note},
        checks=[has_value("id", session), has_value("therapist_notes", note)],
    )
    write_checks.record_note_acknowledged(user, session, note)


@tagged("upload")
def upload_session(user: User) -> Steps:
    """Upload a recording and record the acknowledgement for `write_checks`."""
    yield from ensure_logged_in(user)
    number = user.data["recordings"] = user.data.get("recordings", user.index) + 1
    audio = recording(number, stamp=f"user {user.index}, {user.random.getrandbits(64):016x}")
    patient = user.random.choice(user.data["patients"])
    date = datetime.now(UTC).isoformat()  # unique per upload: it has microseconds
    response = yield user.post(
        "/api/sessions/upload",
        upload=Upload({"patient_id": patient, "session_date": date}, {"file": audio}),
        expect=[202],
        checks=[has("id")],
        timeout_s=60,
    )
    assert isinstance(audio.content, bytes)
    write_checks.record_upload(
        user,
        {
            "id": response.json()["id"],
            "patient": patient,
            "date": date,
            "file": audio.sent_name,
            "sha256": hashlib.sha256(audio.content).hexdigest(),
        },
    )


@tagged("extract")
def extract_notes(user: User) -> Steps:
    """Request the extraction of notes, wait for it and read the notes."""
    yield from ensure_logged_in(user)
    session = user.random.choice(user.data["sessions"])
    yield user.post(
        f"/api/sessions/{session}/extract-notes",
        name="POST /api/sessions/{id}/extract-notes",
        expect=[202],
    )
    deadline = time.monotonic() + NOTES_TIMEOUT_S
    while (yield detail_request(user, session)).json()["status"] != "processed":
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"no notes after {NOTES_TIMEOUT_S:.0f} s: check that the job worker runs"
            )
        yield Pause(NOTES_POLL_S)
    yield user.get(
        f"/api/sessions/{session}/notes",
        name="GET /api/sessions/{id}/notes",
        checks=[has("summary", "key_topics", "risk_flags")],
    )


def _fetch_list(user: User, path: str) -> StepsReturning[list[dict[str, Any]]]:
    """Request a list for the setup, once per account."""
    key = user.data["email"], path
    if key not in _lists:
        response = yield from with_retries(user.get(path, checks=[is_list_of("id")]))
        _lists[key] = response.json()
    return _lists[key]


def _foreign_id(user: User, path: str) -> str | None:
    """Return the id of a row of another account; None if no other account is known."""
    others = (
        rows
        for (email, other_path), rows in _lists.items()
        if other_path == path and email != user.data["email"]
    )
    rows = next(others, [])
    return rows[0]["id"] if rows else None


def list_request(user: User, *, limit: int = 50) -> Request:
    """Create the request for the newest sessions."""
    return user.get(
        "/api/sessions/",
        params={"limit": limit},
        name="GET /api/sessions/" if limit == 50 else f"GET /api/sessions/?limit={limit}",
        checks=[is_list_of("id"), not_empty, each_in("patient_id", user.data["patients"])],
    )


def detail_request(user: User, session: str) -> Request:
    """Create the request for one session."""
    return user.get(
        f"/api/sessions/{session}",
        name="GET /api/sessions/{id}",
        checks=[has_value("id", session), has("status", "transcript")],
    )
