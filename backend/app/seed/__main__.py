"""Fills a database with made-up data: `python -m app.seed --help`."""

import argparse
import asyncio
import os
import sys
import time
import uuid

import asyncpg
from argon2 import PasswordHasher

from app.seed import rows
from app.settings import get_settings

_EPILOG = f"""\
accounts   {rows.TEST_EMAIL} and load-user-001@example.com ... -NNN, all therapists,
           with the password {rows.PASSWORD} and one hash of it (Argon2 is slow on purpose)
again      a second run adds nothing, a larger --sessions or --users only what is missing
first      the tables: python -m alembic upgrade head
example    DATABASE_URL=postgresql://user:password@127.0.0.1:5432/therapybridge python -m app.seed
"""


class SeedError(SystemExit):
    """The database cannot be filled: one line that says why and what to try."""


async def _add(connection: asyncpg.Connection, table: rows.Table) -> int:
    """COPY rows beside the table, then move over those that are not there yet."""
    columns, name = ", ".join(table.columns), table.name
    await connection.execute(
        f"CREATE TEMPORARY TABLE seed_{name} (LIKE {name} INCLUDING STORAGE) ON COMMIT DROP"
    )
    await connection.copy_records_to_table(
        f"seed_{name}", records=table.rows, columns=table.columns
    )
    status: str = await connection.execute(
        f"INSERT INTO {name} ({columns}) SELECT {columns} FROM seed_{name} "  # noqa: S608 -- our own names
        f"ON CONFLICT ({table.conflict}) DO NOTHING"
    )
    return int(status.rsplit(maxsplit=1)[-1])


async def seed(database_url: str, *, users: int, sessions: int) -> dict[str, int]:
    """Add what is missing, all or nothing; return how many rows each table gained.

    Raises:
        SeedError: The database cannot be reached, or has no tables yet.
    """
    try:
        connection = await asyncpg.connect(database_url)
    except (OSError, asyncpg.PostgresError) as error:
        raise SeedError(f"The database cannot be reached: {error}. Check DATABASE_URL.") from None
    try:
        added = await _add_all(connection, users, sessions)
        for name in added:  # so that the first query after this is planned and served well
            await connection.execute(f"VACUUM (ANALYZE) {name}")
    except asyncpg.UndefinedTableError:
        raise SeedError("The tables are missing: python -m alembic upgrade head") from None
    finally:
        await connection.close()
    return added


async def _add_all(connection: asyncpg.Connection, users: int, sessions: int) -> dict[str, int]:
    accounts = rows.emails(users)
    async with connection.transaction():
        added = {"users": await _add(connection, rows.user_table(accounts, _hash()))}
        # An account that was there before has an id of its own.
        found = await connection.fetch(
            "SELECT email, id FROM users WHERE email = ANY($1::text[])", accounts
        )
        ids = {row["email"]: uuid.UUID(str(row["id"])) for row in found}
        owners = {email: ids[email] for email in accounts}
        tables = rows.session_and_notes_tables(owners, sessions)
        for table in (rows.patient_table(owners), *tables):
            added[table.name] = await _add(connection, table)
    return added


def _hash() -> str:
    return PasswordHasher().hash(rows.PASSWORD)


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def main() -> None:
    """Read the command line, seed, say what was added."""
    parser = argparse.ArgumentParser(
        prog="python -m app.seed",
        description="Fill DATABASE_URL with made-up therapists, patients, sessions and notes.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--sessions",
        type=_count,
        default=os.environ.get("SEED_SESSIONS", "20000"),
        help="sessions in all (default: SEED_SESSIONS, else 20000)",
    )
    parser.add_argument(
        "--users", type=_count, default=200, help="load users beside the test user (%(default)s)"
    )
    wanted = parser.parse_args()
    url = get_settings().driver_url
    started_s = time.monotonic()
    added = asyncio.run(seed(url, users=wanted.users, sessions=wanted.sessions))
    counts = ", ".join(f"{count} {name}" for name, count in added.items())
    sys.stdout.write(f"added {counts} in {time.monotonic() - started_s:.1f} s\n")


if __name__ == "__main__":
    main()
