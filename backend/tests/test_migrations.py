"""Migrations on filled databases, up and down."""

import ast
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from service import BACKEND
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

_numbers = itertools.count(1)


@pytest.fixture
async def connection(server_url: str) -> AsyncIterator[AsyncConnection]:
    """Connection to a new, empty database."""
    url = server_url.replace("postgresql://", "postgresql+asyncpg://", 1).rsplit("/", 1)[0]
    name = f"migrated_{next(_numbers)}"
    server = create_async_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
    engine = create_async_engine(f"{url}/{name}", poolclass=NullPool)
    try:
        async with server.connect() as admin:
            await admin.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            await admin.execute(text(f"CREATE DATABASE {name}"))
        async with engine.connect() as opened:
            yield opened
        async with server.connect() as admin:
            await admin.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        await engine.dispose()
        await server.dispose()


async def migrate(connection: AsyncConnection, revision: str) -> None:
    """Migrate a database up or down to a revision, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(BACKEND / "migrations"))
    config.set_main_option("path_separator", "os")
    versions = sorted(path.name[:4] for path in (BACKEND / "migrations/versions").glob("0*.py"))
    target = versions[-1] if revision == "head" else revision
    current = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    if current is not None:
        current = await connection.scalar(text("SELECT version_num FROM alembic_version"))

    def run(sync_connection: Any) -> None:  # noqa: ANN401 -- SQLAlchemy's
        config.attributes["connection"] = sync_connection
        step = command.downgrade if current is not None and target < current else command.upgrade
        step(config, target)

    try:
        await connection.run_sync(run)
    except BaseException:
        await connection.rollback()
        raise
    await connection.commit()


async def rows(connection: AsyncConnection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    return [tuple(row) for row in await connection.execute(text(query))]


USERS = """
    INSERT INTO users (id, email, password_hash, role, full_name)
    SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, n || '@example.com', '',
           'therapist', 'T'
    FROM generate_series(1, 2) AS n
"""
TOKENS = """
    INSERT INTO refresh_tokens
        (token_hash, family_id, user_id, created_at, expires_at, spent_at, revoked_at)
    SELECT sha256(n::text::bytea), ('00000000-0000-4000-8000-0000000000f' || n / 2)::uuid,
           ('00000000-0000-4000-8000-00000000000' || 1 + n / 4)::uuid,
           '2026-01-01'::timestamptz + n * interval '1 day', '2027-01-01', NULL,
           CASE WHEN n / 2 = 1 THEN '2026-02-02'::timestamptz END
    FROM generate_series(0, 7) AS n
"""


async def test_refresh_tokens_keep_their_login(connection: AsyncConnection):
    """Tokens of earlier versions belong to a login that ends 30 days after its first token."""
    await migrate(connection, "0003")
    await connection.execute(text(USERS))
    await connection.execute(text(TOKENS))
    query = "SELECT * FROM refresh_tokens ORDER BY token_hash"
    columns = "token_hash, family_id, user_id, created_at, expires_at, spent_at, revoked_at"
    before = await rows(connection, query.replace("*", columns))
    await connection.commit()

    await migrate(connection, "0004")
    families = await rows(
        connection,
        "SELECT right(id::text, 1), right(user_id::text, 1), expires_at - created_at,"
        " revoked_at IS NOT NULL FROM token_families ORDER BY id",
    )
    assert [(family, user, lasts.days, revoked) for family, user, lasts, revoked in families] == [
        ("0", "1", 30, False),
        ("1", "1", 30, True),
        ("2", "2", 30, False),
        ("3", "2", 30, False),
    ]
    await migrate(connection, "0003")
    assert await rows(connection, query.replace("*", columns)) == before


async def test_every_migration_goes_down_and_up_again(connection: AsyncConnection):
    """All migrations can be taken back, and applied again, with accounts in the database."""
    await migrate(connection, "head")
    await connection.execute(text(USERS))
    await connection.commit()
    await migrate(connection, "0001")
    assert await rows(connection, "SELECT count(*) FROM users") == [(2,)]
    await connection.commit()
    await migrate(connection, "head")
    assert await rows(connection, "SELECT count(*) FROM users") == [(2,)]


PATIENTS = """
    INSERT INTO patients (id, therapist_id, full_name)
    SELECT id, id, 'P' FROM users
"""
SESSIONS = """
    INSERT INTO sessions (id, patient_id, therapist_id, session_date, status, size_bytes)
    SELECT md5(n::text)::uuid, patients.id, patients.id, now(), 'uploading', 1000 * n
    FROM patients, generate_series(1, 3) AS n WHERE patients.id::text LIKE '%' || 1 + n / 3
"""
JOBS = """
    INSERT INTO pgqueuer (priority, entrypoint, payload, dedupe_key, status)
    SELECT 0, 'transcribe', uuid_send(id), 'transcribe:' || id, 'queued' FROM sessions
"""


async def test_queued_jobs_get_their_therapist(connection: AsyncConnection):
    """Jobs that are queued during the upgrade belong to the therapist of their session."""
    await migrate(connection, "0004")
    for statement in (USERS, PATIENTS, SESSIONS, JOBS):
        await connection.execute(text(statement))
    await connection.commit()
    await migrate(connection, "0005")
    jobs = await rows(
        connection,
        "SELECT pgqueuer.therapist_id = sessions.therapist_id, crashes FROM pgqueuer"
        " JOIN sessions ON pgqueuer.dedupe_key = 'transcribe:' || sessions.id",
    )
    assert jobs == [(True, 0)] * 3
    await connection.commit()
    await migrate(connection, "0004")
    assert await rows(connection, "SELECT count(*) FROM pgqueuer") == [(3,)]


ROWS_OF_TWO = """
    INSERT INTO patients (id, therapist_id, full_name)
    SELECT ('00000000-0000-4000-8000-0000000000a' || n)::uuid,
           ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'P'
    FROM generate_series(1, 2) AS n;
    INSERT INTO sessions (id, patient_id, therapist_id, session_date, status, created_at)
    SELECT ('00000000-0000-4000-8000-0000000001' || lpad(n::text, 2, '0'))::uuid,
           ('00000000-0000-4000-8000-0000000000a' || CASE WHEN n < 12 THEN 2 ELSE 1 END)::uuid,
           '00000000-0000-4000-8000-000000000001', '2026-01-01', 'processed',
           '2026-01-01'::timestamptz + n * interval '1 hour'
    FROM generate_series(0, 15) AS n
"""


async def test_sessions_that_join_two_therapists_stop_the_migration(connection: AsyncConnection):
    """Rows whose patient is another therapist's are reported, and the database stays as it was."""
    await migrate(connection, "0005")
    for statement in (USERS, *ROWS_OF_TWO.split(";")):
        await connection.execute(text(statement))
    await connection.commit()
    with pytest.raises(CommandError) as refused:
        await migrate(connection, "0006")
    message = str(refused.value)
    assert message.startswith("12 sessions belong to another therapist than the patient.")
    assert (
        "session 00000000-0000-4000-8000-000000000100 of therapist"
        " 00000000-0000-4000-8000-000000000001: patient 00000000-0000-4000-8000-0000000000a2 of"
        " therapist 00000000-0000-4000-8000-000000000002" in message
    )
    assert message.endswith("and 2 more")
    assert await rows(connection, "SELECT version_num FROM alembic_version") == [("0005",)]

    await connection.execute(
        text(
            "UPDATE sessions SET patient_id = patients.id FROM patients"
            " WHERE patients.therapist_id = sessions.therapist_id"
        )
    )
    await connection.commit()
    before = await rows(connection, "SELECT * FROM sessions ORDER BY id")
    await connection.commit()
    await migrate(connection, "0006")
    move = "UPDATE sessions SET patient_id = '00000000-0000-4000-8000-0000000000a2'"
    with pytest.raises(IntegrityError):
        await connection.execute(text(move))
    await connection.rollback()
    await migrate(connection, "0005")
    assert await rows(connection, "SELECT * FROM sessions ORDER BY id") == before
    await connection.execute(text(move))


async def test_stored_recordings_count_towards_the_quota(connection: AsyncConnection):
    """The upgrade counts the recordings that exist."""
    await migrate(connection, "0007")
    for statement in (USERS, PATIENTS, SESSIONS):
        await connection.execute(text(statement))
    await connection.commit()
    await migrate(connection, "0008")
    usage = await rows(connection, "SELECT stored_bytes, day_s FROM account_usage ORDER BY 1")
    assert sum(stored_bytes for stored_bytes, _ in usage) == 6000
    assert {day_s for _, day_s in usage} == {0.0}
    await connection.commit()
    await migrate(connection, "0007")


def modules_imported(source: str) -> list[str]:
    """Return the modules that a source file imports at its top level."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def test_migrations_import_no_web_framework():
    """Migrations run before each start, so their modules of tables import no FastAPI."""
    imported = modules_imported((BACKEND / "migrations/env.py").read_text())
    seen: set[str] = set()
    while imported:
        module = imported.pop()
        path = BACKEND / f"{module.replace('.', '/')}.py"
        if module not in seen and module.startswith("app.") and path.exists():
            imported += modules_imported(path.read_text())
        seen.add(module)
    assert {"app.audio.models", "app.middleware.models", "app.pooler", "app.table_base"} <= seen
    assert not {"fastapi", "app.errors", "app.database"} & seen
