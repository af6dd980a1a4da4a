"""What a therapist does, written once: `pytest_load_test.py` and `load_test.py` (Locust) play it.

A journey is a generator: it yields requests and is handed the responses. It says which answers are
right (`expect`) and looks into them (`checks`); how they are sent is no concern of it. A request
that goes wrong is counted, and ends the journey that made it.
"""

import hashlib
import time
from datetime import UTC, datetime
from typing import Any

import ledger
from accounts import Asking, Steps, account, patiently, signed_in, unused_account
from checks import each_among, has, has_value, is_list_of, not_empty
from speech import recording

from straingauge import Pause, Request, TargetError, Upload, User, limit_concurrency, tagged

__all__ = ["account", "signed_in", "unused_account"]

NOTES_PATIENCE_S = 30.0
NOTES_POLL_S = 1.0
SETUP_LISTS = {"patients": "/api/patients/", "sessions": "/api/sessions/?status=processed"}

_known: dict[tuple[str, str], list[dict[str, Any]]] = {}
"""Lists by e-mail and path: users who share an account share its limit, so it is asked once."""


@limit_concurrency(16)
def log_in(user: User) -> Steps:
    """Sign in, and get to know one's own patients and newest sessions, when it is one's turn.

    Raises:
        TargetError: The account is refused, or it has no patients or sessions to work with.
    """
    yield from signed_in(user)
    for name, path in SETUP_LISTS.items():
        rows = yield from _rows(user, path)
        if not rows:
            raise TargetError(
                f"{user.data['email']} has no {name}, so there is nothing to put load on:"
                " fill the service's database by `python -m app.seed`"
            )
        user.data[name] = [row["id"] for row in rows]
        user.data.setdefault("foreign", {})[name] = _somebody_elses(user, path)


@tagged("health")
def health(user: User) -> Steps:
    """Ask how the service is; it asks its database for that."""
    yield user.get("/health", checks=[has("status")])


@tagged("health")
def ready(user: User) -> Steps:
    """Ask, as an orchestrator does, whether requests may be sent here."""
    yield user.get("/ready")


@tagged("read")
def list_sessions(user: User) -> Steps:
    """Open the list of one's newest sessions."""
    yield from signed_in(user)
    yield sessions_of(user)


@tagged("read", "db_pool")
def list_many_sessions(user: User) -> Steps:
    """Scroll far down: the longest page the service gives."""
    yield from signed_in(user)
    yield sessions_of(user, limit=200)


@tagged("read", "db_pool")
def session_detail(user: User) -> Steps:
    """Read one session with its transcript."""
    yield from signed_in(user)
    yield session_of(user, user.random.choice(user.data["sessions"]))


@tagged("read", "db_pool")
def list_patients(user: User) -> Steps:
    """Open the list of one's patients."""
    yield from signed_in(user)
    yield user.get("/api/patients/", checks=[is_list_of("id", "full_name"), not_empty])


@tagged("read", "db_pool")
def patient_sessions(user: User) -> Steps:
    """Open the sessions of one patient."""
    yield from signed_in(user)
    patient = user.random.choice(user.data["patients"])
    yield user.get(
        f"/api/patients/{patient}/sessions",
        name="GET /api/patients/{id}/sessions",
        checks=[is_list_of("id", "patient_id"), each_among("patient_id", [patient])],
    )


@tagged("write")
def update_session(user: User) -> Steps:
    """Jot down a note on a session, and find it there again."""
    yield from signed_in(user)
    session = user.random.choice(user.data["sessions"])
    note = f"looked at again, {user.random.getrandbits(64):016x}"
    ledger.note_sent(user, session, note)
    yield user.patch(
        f"/api/sessions/{session}",
        name="PATCH /api/sessions/{id}",
        json={"therapist_notes": note},
        checks=[has_value("id", session), has_value("therapist_notes", note)],
    )
    ledger.note_acknowledged(user, session, note)


@tagged("upload")
def upload_session(user: User) -> Steps:
    """Upload the recording of a session, and remember what was acknowledged."""
    yield from signed_in(user)
    number = user.data["recordings"] = user.data.get("recordings", user.index) + 1
    audio = recording(number, stamp=f"user {user.index}, {user.random.getrandbits(64):016x}")
    patient = user.random.choice(user.data["patients"])
    date = datetime.now(UTC).isoformat()  # to the microsecond: no other upload of theirs has it
    answer = yield user.post(
        "/api/sessions/upload",
        upload=Upload({"patient_id": patient, "session_date": date}, {"file": audio}),
        expect=[202],
        checks=[has("id")],
        timeout_s=60,
    )
    assert isinstance(audio.content, bytes)
    ledger.remember(
        user,
        {
            "id": answer.json()["id"],
            "patient": patient,
            "date": date,
            "file": audio.sent_name,
            "sha256": hashlib.sha256(audio.content).hexdigest(),
        },
    )


@tagged("extract")
def extract_notes(user: User) -> Steps:
    """Have the notes of a session extracted anew, wait for them, and read them."""
    yield from signed_in(user)
    session = user.random.choice(user.data["sessions"])
    yield user.post(
        f"/api/sessions/{session}/extract-notes",
        name="POST /api/sessions/{id}/extract-notes",
        expect=[202],
    )
    give_up_at = time.monotonic() + NOTES_PATIENCE_S
    while (yield session_of(user, session)).json()["status"] != "processed":
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"no notes in {NOTES_PATIENCE_S:.0f} s: does the job worker run?")
        yield Pause(NOTES_POLL_S)
    yield user.get(
        f"/api/sessions/{session}/notes",
        name="GET /api/sessions/{id}/notes",
        checks=[has("summary", "key_topics", "risk_flags")],
    )


def _rows(user: User, path: str) -> Asking[list[dict[str, Any]]]:
    """A list, for the setup: users who share an account ask once."""
    key = user.data["email"], path
    if key not in _known:
        answer = yield from patiently(user.get(path, checks=[is_list_of("id")]))
        _known[key] = answer.json()
    return _known[key]


def _somebody_elses(user: User, path: str) -> str | None:
    """The id of a row that is another account's; None while no other account is known."""
    others = (
        rows
        for (email, what), rows in _known.items()
        if what == path and email != user.data["email"]
    )
    rows = next(others, [])
    return rows[0]["id"] if rows else None


def sessions_of(user: User, *, limit: int = 50) -> Request:
    """The request for one's newest sessions."""
    return user.get(
        "/api/sessions/",
        params={"limit": limit},
        name="GET /api/sessions/" if limit == 50 else f"GET /api/sessions/?limit={limit}",
        checks=[is_list_of("id"), not_empty, each_among("patient_id", user.data["patients"])],
    )


def session_of(user: User, session: str) -> Request:
    """The request for one session, which must be that one and whole."""
    return user.get(
        f"/api/sessions/{session}",
        name="GET /api/sessions/{id}",
        checks=[has_value("id", session), has("status", "transcript")],
    )
