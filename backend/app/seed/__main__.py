"""Seed a database with synthetic data: `python -m app.seed --help`."""

import argparse
import asyncio
import os
import sys
import time
import uuid

import asyncpg

from app.auth.passwords import hash_password_sync
from app.seed import rows
from app.settings import get_settings

_EPILOG = f"""\
Accounts: {rows.TEST_EMAIL} and load-user-001@example.com to load-user-NNN@example.com, all
therapists with the password {rows.PASSWORD} and the same hash (Argon2 is slow on purpose).
The password is public, so a database with accounts of people is refused.
Rows that exist are kept: a second run with larger numbers adds what is missing.

create the tables first:
  python -m alembic upgrade head

example:
  DATABASE_URL=postgresql://user:password@127.0.0.1:5432/therapybridge python -m app.seed
"""


_ACCOUNTS_OF_PEOPLE = r"""
    SELECT count(*) FROM users
    WHERE email !~ '(@|\.)(example\.(com|net|org)|example|invalid|localhost|test)$'
"""
"""Accounts outside of the domains that RFC 2606 reserves for documentation and tests."""


class SeedError(SystemExit):
    """The database cannot be seeded; the message names the reason and a remedy."""


async def _add(connection: asyncpg.Connection, table: rows.Table) -> int:
    """Copy rows into a temporary table, then insert those that do not exist; return how many."""
    columns, name = ", ".join(table.columns), table.name
    await connection.execute(
        f"CREATE TEMPORARY TABLE seed_{name} (LIKE {name} INCLUDING STORAGE) ON COMMIT DROP"
    )
    await connection.copy_records_to_table(
        f"seed_{name}", records=table.rows, columns=table.columns
    )
    status: str = await connection.execute(
        f"INSERT INTO {name} ({columns}) SELECT {columns} FROM seed_{name} "  # noqa: S608 -- names are constants
        f"ON CONFLICT ({table.conflict}) DO NOTHING"
    )
    return int(status.rsplit(maxsplit=1)[-1])


async def seed(
    database_url: str, *, users: int, sessions: int, force: bool = False
) -> dict[str, int]:
    """Add missing rows in one transaction; return the number of rows added to each table.

    Args:
        database_url: The database.
        users: Number of accounts in addition to the test account.
        sessions: Total number of sessions.
        force: Add accounts next to those of people.

    Raises:
        SeedError: The database cannot be reached, has no tables, or has accounts of people.
    """
    try:
        connection = await asyncpg.connect(database_url, statement_cache_size=0)  # for poolers
    except (OSError, asyncpg.PostgresError) as error:
        raise SeedError(f"The database cannot be reached: {error}. Check DATABASE_URL.") from None
    try:
        if not force:
            await _refuse_accounts_of_people(connection, rows.emails(users))
        added = await _add_all(connection, users, sessions)
        for name in added:  # statistics for the planner of the first query
            await connection.execute(f"VACUUM (ANALYZE) {name}")
    except asyncpg.UndefinedTableError:
        raise SeedError("The tables are missing: python -m alembic upgrade head") from None
    finally:
        await connection.close()
    return added


async def _refuse_accounts_of_people(connection: asyncpg.Connection, accounts: list[str]) -> None:
    """Refuse to add accounts with a public password to a database that people use."""
    existing = await connection.fetchval(
        "SELECT count(*) FROM users WHERE email = ANY($1::text[])", accounts
    )
    people = await connection.fetchval(_ACCOUNTS_OF_PEOPLE)
    if people and existing < len(accounts):
        raise SeedError(
            f"The database has accounts of people ({people}), and the seed's password is public."
            " Use another database, or --force if no account matters."
        )


async def _add_all(connection: asyncpg.Connection, users: int, sessions: int) -> dict[str, int]:
    accounts = rows.emails(users)
    password_hash = hash_password_sync(rows.PASSWORD)
    async with connection.transaction():
        added = {"users": await _add(connection, rows.user_table(accounts, password_hash))}
        # An account that existed before may have another id.
        records = await connection.fetch(
            "SELECT email, id FROM users WHERE email = ANY($1::text[])", accounts
        )
        ids = {row["email"]: uuid.UUID(str(row["id"])) for row in records}
        owners = {email: ids[email] for email in accounts}
        tables = rows.session_and_notes_tables(owners, sessions)
        for table in (rows.patient_table(owners), *tables):
            added[table.name] = await _add(connection, table)
    return added


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


def main() -> None:
    """Run the command line interface."""
    parser = argparse.ArgumentParser(
        prog="python -m app.seed",
        description="Add synthetic therapists, patients, sessions and notes to DATABASE_URL.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--sessions",
        type=_count,
        default=os.environ.get("SEED_SESSIONS", "20000"),
        help="total number of sessions (default: SEED_SESSIONS, or 20000)",
    )
    parser.add_argument(
        "--users",
        type=_count,
        default=200,
        help="number of load users, in addition to the test user (default: %(default)s)",
    )
    parser.add_argument(
        "--force", action="store_true", help="add accounts to a database with accounts of people"
    )
    options = parser.parse_args()
    url = get_settings().driver_url
    started_s = time.monotonic()
    added = asyncio.run(
        seed(url, users=options.users, sessions=options.sessions, force=options.force)
    )
    counts = ", ".join(f"{count} {name}" for name, count in added.items())
    sys.stdout.write(f"added {counts} in {time.monotonic() - started_s:.1f} s\n")


if __name__ == "__main__":
    main()
