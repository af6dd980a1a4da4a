"""Deterministic generation of seed rows.

Every id is derived from the owner's e-mail address and a number, independent of clock and chance.
A second run generates the same rows, and a run with larger numbers adds to them.
"""

import random
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from app.providers.rules import extract_notes
from app.seed.transcripts import generate_transcript

TEST_EMAIL = "test@example.com"
PASSWORD = "TestPass123!"  # noqa: S105 -- public, of synthetic accounts
PATIENTS_PER_USER = 8
TEST_USER_SESSIONS = 50
TRANSCRIPTS = 100
"""Number of different transcripts. To extract the notes of one takes about 4 ms of CPU time."""
EPOCH = datetime(2024, 12, 1, 9, 0, tzinfo=UTC)

_NAMESPACE = uuid.UUID("5eed0000-0000-4000-8000-000000000000")
_FIRST_NAMES = (
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
_LAST_NAMES = (
    *("Brook", "Cliff", "Dale", "Field", "Harbour"),
    *("Meadow", "Ridge", "Shore", "Stone", "Vale"),
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one table.

    Attributes:
        name: Table name.
        columns: Column names, in the order of the values in a row.
        conflict: Columns of the unique constraint that identifies an existing row.
        rows: The rows.
    """

    name: str
    columns: tuple[str, ...]
    conflict: str
    rows: Iterator[tuple[Any, ...]]


def emails(users: int) -> list[str]:
    """Return the e-mail addresses of all accounts, the test account first."""
    return [TEST_EMAIL, *(f"load-user-{number:03d}@example.com" for number in range(1, users + 1))]


def _id(kind: str, owner: str, number: int = 0) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, f"{kind}:{owner}:{number}")


def user_table(accounts: list[str], password_hash: str) -> Table:
    """Generate the accounts, all with the same password."""
    columns = ("id", "email", "password_hash", "role", "full_name", "created_at")
    rows = (
        (_id("user", email), email, password_hash, "therapist", _user_name(email), EPOCH)
        for email in accounts
    )
    return Table("users", columns, "email", rows)


def _user_name(email: str) -> str:
    return email.partition("@")[0].replace("-", " ").title() + " (synthetic)"


def patient_table(owners: Mapping[str, uuid.UUID]) -> Table:
    """Generate `PATIENTS_PER_USER` patients for each account."""
    columns = ("id", "therapist_id", "full_name", "email", "date_of_birth", "created_at")
    return Table("patients", (*columns, "updated_at"), "id", _patients(owners))


def _patients(owners: Mapping[str, uuid.UUID]) -> Iterator[tuple[Any, ...]]:
    for email, owner in owners.items():
        for number in range(PATIENTS_PER_USER):
            patient = _id("patient", email, number)
            first, last = _FIRST_NAMES[patient.int % 10], _LAST_NAMES[patient.int // 10 % 10]
            born = date(1960, 1, 1) + timedelta(days=patient.int % 16_000)
            address = f"{first}.{last}.{number}@example.org".lower()
            yield (patient, owner, f"{first} {last} {number + 1}", address, born, EPOCH, EPOCH)


def sessions_per_account(accounts: list[str], sessions: int) -> dict[str, int]:
    """Distribute sessions: up to `TEST_USER_SESSIONS` to the test account, the rest evenly."""
    counts = dict.fromkeys(accounts, 0)
    reserved = min(TEST_USER_SESSIONS, sessions)
    each, remainder = divmod(sessions - reserved, len(accounts))
    for index, email in enumerate(accounts):
        counts[email] = each + (index < remainder) + (reserved if index == 0 else 0)
    return counts


def session_and_notes_tables(owners: Mapping[str, uuid.UUID], sessions: int) -> tuple[Table, Table]:
    """Generate processed sessions with transcripts, and their notes by the rule-based extractor."""
    rng = random.Random(1)  # noqa: S311 -- must be reproducible
    transcripts = [generate_transcript(rng) for _ in range(TRANSCRIPTS)]

    @cache
    def notes(index: int) -> str:
        return orjson.dumps(extract_notes(transcripts[index]).model_dump()).decode()

    ids = [
        (email, _id("session", email, number), number)
        for email, count in sessions_per_account(list(owners), sessions).items()
        for number in range(count)
    ]
    columns = ("id", "patient_id", "therapist_id", "session_date", "status", "duration_s")
    details = ("transcript", "transcriber", "created_at", "updated_at")
    return (
        Table("sessions", columns + details, "id", _sessions(owners, ids, transcripts)),
        Table(
            "notes",
            ("session_id", "content", "created_at"),
            "session_id",
            ((session, notes(session.int % TRANSCRIPTS), EPOCH) for _, session, _ in ids),
        ),
    )


def _sessions(
    owners: Mapping[str, uuid.UUID], ids: list[tuple[str, uuid.UUID, int]], transcripts: list[str]
) -> Iterator[tuple[Any, ...]]:
    for email, session, number in ids:
        date_time = EPOCH - timedelta(days=number, minutes=session.int % 480)
        patient = _id("patient", email, session.int % PATIENTS_PER_USER)
        text = f"Synthetic session {number} of {email}.\n{transcripts[session.int % TRANSCRIPTS]}"
        duration_s = 2700.0 + session.int % 600
        values = (session, patient, owners[email], date_time, "processed", duration_s)
        yield (*values, text, "synthetic", date_time, date_time)
