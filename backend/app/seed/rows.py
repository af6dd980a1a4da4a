"""Which rows are seeded: the same ones each time, whatever was asked for before.

Every id follows from its owner's e-mail address and a number, and nothing from the clock or from
chance, so a second run meets its own rows and a larger one adds to them.
"""

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson

from app.providers.rules import extract_notes
from app.seed.talk import conversation

TEST_EMAIL = "test@example.com"
PASSWORD = "TestPass123!"  # noqa: S105 -- public: these accounts exist to be logged in to
PATIENTS_EACH = 8
TEST_USER_SESSIONS = 50
CONVERSATIONS = 300
EPOCH = datetime(2024, 12, 1, 9, 0, tzinfo=UTC)

_NAMESPACE = uuid.UUID("5eed0000-0000-4000-8000-000000000000")
_FIRST = (
    "Alder",
    "Birch",
    "Cedar",
    "Elm",
    "Hazel",
    "Juniper",
    "Linden",
    "Maple",
    "Rowan",
    "Willow",
)
_LAST = ("Brook", "Cliff", "Dale", "Field", "Harbour", "Meadow", "Ridge", "Shore", "Stone", "Vale")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one table: its columns, those that tell that a row is there already, the rows."""

    name: str
    columns: tuple[str, ...]
    conflict: str
    rows: Iterator[tuple[Any, ...]]


def emails(users: int) -> list[str]:
    """The test account first, then the load accounts."""
    return [TEST_EMAIL, *(f"load-user-{number:03d}@example.com" for number in range(1, users + 1))]


def _id(kind: str, owner: str, number: int = 0) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{kind}:{owner}:{number}")


def user_table(accounts: list[str], password_hash: str) -> Table:
    """All accounts, with one password."""
    columns = ("id", "email", "password_hash", "role", "full_name", "created_at")
    rows = (
        (_id("user", email), email, password_hash, "therapist", _user_name(email), EPOCH)
        for email in accounts
    )
    return Table("users", columns, "email", rows)


def _user_name(email: str) -> str:
    return email.partition("@")[0].replace("-", " ").title() + " (synthetic)"


def patient_table(owners: Mapping[str, uuid.UUID]) -> Table:
    """The same number of patients for each account."""
    columns = ("id", "therapist_id", "full_name", "email", "date_of_birth", "created_at")
    return Table("patients", (*columns, "updated_at"), "id", _patients(owners))


def _patients(owners: Mapping[str, uuid.UUID]) -> Iterator[tuple[Any, ...]]:
    for email, owner in owners.items():
        for number in range(PATIENTS_EACH):
            patient = _id("patient", email, number)
            first, last = _FIRST[patient.int % 10], _LAST[patient.int // 10 % 10]
            born = date(1960, 1, 1) + timedelta(days=patient.int % 16_000)
            address = f"{first}.{last}.{number}@example.org".lower()
            yield (patient, owner, f"{first} {last} {number + 1}", address, born, EPOCH, EPOCH)


def shares(accounts: list[str], sessions: int) -> dict[str, int]:
    """How many sessions each account has: first enough for the test user, the rest in turns."""
    counts = dict.fromkeys(accounts, 0)
    own = min(TEST_USER_SESSIONS, sessions)
    each, over = divmod(sessions - own, len(accounts))
    for place, email in enumerate(accounts):
        counts[email] = each + (place < over) + (own if place == 0 else 0)
    return counts


def session_and_notes_tables(owners: Mapping[str, uuid.UUID], sessions: int) -> tuple[Table, Table]:
    """Processed sessions with transcripts, and the notes that the rules draw from those."""
    dice = random.Random(1)  # noqa: S311 -- it must be the same each time, not unpredictable
    talks = [conversation(dice) for _ in range(CONVERSATIONS)]
    notes = [orjson.dumps(extract_notes(talk).model_dump()).decode() for talk in talks]
    ids = [
        (email, _id("session", email, number), number)
        for email, count in shares(list(owners), sessions).items()
        for number in range(count)
    ]
    columns = ("id", "patient_id", "therapist_id", "session_date", "status", "duration_s")
    details = ("transcript", "transcriber", "created_at", "updated_at")
    return (
        Table("sessions", columns + details, "id", _sessions(owners, ids, talks)),
        Table(
            "notes",
            ("session_id", "content", "created_at"),
            "session_id",
            ((session, notes[session.int % CONVERSATIONS], EPOCH) for _, session, _ in ids),
        ),
    )


def _sessions(
    owners: Mapping[str, uuid.UUID], ids: list[tuple[str, uuid.UUID, int]], talks: list[str]
) -> Iterator[tuple[Any, ...]]:
    for email, session, number in ids:
        when = EPOCH - timedelta(days=number, minutes=session.int % 480)
        patient = _id("patient", email, session.int % PATIENTS_EACH)
        talk = f"Synthetic session {number} of {email}.\n{talks[session.int % CONVERSATIONS]}"
        duration_s = 2700.0 + session.int % 600
        known = (session, patient, owners[email], when, "processed", duration_s)
        yield (*known, talk, "synthetic", when, when)
