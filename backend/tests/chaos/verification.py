"""The comparison of the write log with the database and the storage.

Each acknowledged write must be stored once with its last value, each other one once or not at all.
Each recording must have a row, and each row its recording. Each job must have ended.
"""

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from app.audio.owner import StorageOwner
from app.audio.storage import AudioStore
from app.database import Database
from app.jobs.maintenance import tidy_storage
from app.settings import load_settings
from tests.chaos.provider import notes_of, transcript_of
from tests.chaos.write_log import ACCOUNT, LOGIN, PATIENT, SESSION, Record, WriteLog

LOST, DOUBLED, ALTERED, JOBS, FILES = "lost", "doubled", "altered", "jobs", "files"
CATEGORIES = (LOST, DOUBLED, ALTERED, JOBS, FILES)
QUERIES = {
    ACCOUNT: "SELECT email AS key, id::text, email AS owner FROM users",
    PATIENT: """
        SELECT patients.full_name AS key, patients.id::text, users.email AS owner, phone
        FROM patients JOIN users ON users.id = therapist_id
    """,
    SESSION: """
        SELECT sha256 AS key, sessions.id::text, users.email AS owner, therapist_notes, size_bytes,
               status, failure_reason, transcript, content->>'summary' AS summary
        FROM sessions JOIN users ON users.id = therapist_id
        LEFT JOIN notes ON notes.session_id = sessions.id
    """,
    LOGIN: """
        SELECT encode(token_hash, 'hex') AS key, encode(token_hash, 'hex') AS id, email AS owner
        FROM refresh_tokens JOIN token_families ON token_families.id = family_id
        JOIN users ON users.id = user_id
    """,
}
DOUBLED_JOBS = """
    SELECT job_id, count(*) FROM pgqueuer_log WHERE status = 'successful'
    GROUP BY job_id HAVING count(*) > 1
"""
DAYS_S = 86400 * 30.0

Row = Mapping[str, Any]


@dataclass
class Findings:
    """Problems by category."""

    problems: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, category: str, problem: str) -> None:
        """Add a problem."""
        self.problems[category].append(problem)

    def count(self, category: str) -> int:
        """Return the number of problems of a category."""
        return len(self.problems.get(category, ()))

    @property
    def is_empty(self) -> bool:
        """True if nothing is wrong."""
        return not any(self.problems.values())


def compare(log: WriteLog, kind: str, rows: Iterable[Row]) -> Findings:
    """Compare the rows of a table with the writes of a kind."""
    findings = Findings()
    by_key: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        by_key[row["key"]].append(row)
    for record in log.of(kind):
        for category, problem in _problems(record, by_key.pop(record.key, [])):
            findings.add(category, f"{kind} {record.key}: {problem}")
    for key in by_key:
        if kind != LOGIN:  # the token of a log-in without a response is not known
            findings.add(ALTERED, f"{kind} {key} is stored, but was never sent")
    return findings


def _problems(record: Record, rows: list[Any]) -> Iterator[tuple[str, str]]:
    if not rows:
        if record.is_acknowledged:
            yield LOST, "was acknowledged, but is not stored"
        return
    if len(rows) > 1:
        yield DOUBLED, f"was sent once and stored {len(rows)} times"
    row = rows[0]
    if record.refused:
        yield ALTERED, "was refused, but is stored"
    if record.id not in {None, row["id"]} or row["owner"] != record.owner:
        yield ALTERED, "is stored with another id or owner"
    for name, log in record.fields.items():
        category = log.judge(row[name])
        if category is not None:
            yield category, f"{name} {row[name]!r} is stored, not {log.values[log.acknowledged]!r}"


def check_results(log: WriteLog, rows: Iterable[Row]) -> Findings:
    """Check that each session was processed, and has the transcript of its recording."""
    findings = Findings()
    for row in rows:
        sha256, status, reason = row["key"], row["status"], row["failure_reason"]
        record = log.find(SESSION, sha256)
        if record is not None and record.dies:
            if status != "failed" or "ended unexpectedly" not in (reason or ""):
                findings.add(JOBS, f"job that kills its worker: {status}, {reason}")
        elif status != "processed":
            findings.add(JOBS, f"session {sha256}: {status}, {reason}")
        elif (row["transcript"], row["summary"]) != (transcript_of(sha256), notes_of(sha256)):
            findings.add(ALTERED, f"session {sha256} has the transcript or notes of another one")
    return findings


def check_files(store: Path, rows: Iterable[Row]) -> Findings:
    """Check that each session has its recording, unchanged."""
    findings = Findings()
    audio = AudioStore(store)
    for row in rows:
        path = audio.path(uuid.UUID(row["id"]))
        if not path.exists():
            findings.add(FILES, f"session {row['key']} has no file")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != row["key"]:
            findings.add(ALTERED, f"the file of session {row['key']} has another content")
    return findings


def unknown_files(store: Path, rows: Iterable[Row], log: WriteLog) -> Findings:
    """Check that each recording without a session is that of an upload without a response."""
    findings = Findings()
    known = {uuid.UUID(row["id"]) for row in rows}
    audio = AudioStore(store)
    for session_id in set(audio.iter_session_ids(older_than_s=-60)) - known:
        sha256 = hashlib.sha256(audio.path(session_id).read_bytes()).hexdigest()
        record = log.find(SESSION, sha256)
        if record is None or record.is_acknowledged or record.refused:
            findings.add(FILES, f"file {session_id} has no session, but its upload was answered")
    return findings


async def jobs_left(database_url: str) -> int:
    """Return the number of unfinished jobs and sessions."""
    connection = await asyncpg.connect(database_url)
    try:
        count = await connection.fetchval("""
            SELECT (SELECT count(*) FROM pgqueuer)
                 + (SELECT count(*) FROM sessions WHERE status NOT IN ('processed', 'failed'))
        """)
    finally:
        await connection.close()
    return int(count)


async def verify(log: WriteLog, database_url: str, storage: Path) -> Findings:
    """Check both, while no client writes and no job runs; tidies the storage up."""
    findings = Findings()
    connection = await asyncpg.connect(database_url)
    try:
        rows = {kind: await connection.fetch(query) for kind, query in QUERIES.items()}
        doubled = await connection.fetch(DOUBLED_JOBS)
        left = await connection.fetch("SELECT id, entrypoint, status, attempts FROM pgqueuer")
    finally:
        await connection.close()
    sessions = rows[SESSION]
    parts = [compare(log, kind, rows[kind]) for kind in QUERIES]
    parts += [check_results(log, sessions), unknown_files(storage, sessions, log)]
    await _tidy(database_url, storage)
    parts.append(check_files(storage, sessions))
    known = {uuid.UUID(row["id"]) for row in sessions}
    rest = set(AudioStore(storage).iter_session_ids(older_than_s=-60)) - known
    findings.problems[FILES] += [f"file {each} has no session after tidying" for each in rest]
    findings.problems[JOBS] += [f"job {dict(row)} has not ended" for row in left]
    findings.problems[JOBS] += [f"job {row['job_id']} succeeded twice" for row in doubled]
    for part in parts:
        for category, problems in part.problems.items():
            findings.problems[category] += problems
    return findings


async def _tidy(database_url: str, storage: Path) -> None:
    """Do what the maintenance does with files that are older than an hour, with all."""
    settings = load_settings(database_url=database_url, storage_dir=storage)
    database = Database(settings)
    try:
        await tidy_storage(
            database,
            AudioStore(storage),
            StorageOwner(settings, database),
            older_than_s=-60,
            keep_orphans_s=DAYS_S,
        )
    finally:
        await database.close()


def summarize(findings: Iterable[Findings]) -> dict[str, int]:
    """Return the number of problems by category."""
    total: Counter[str] = Counter()
    for each in findings:
        total.update({category: each.count(category) for category in CATEGORIES})
    return {category: total[category] for category in CATEGORIES}
