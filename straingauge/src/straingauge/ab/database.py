"""A database for each variant, and the same initial state of both."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from straingauge.errors import TargetError
from straingauge.extras import install_command
from straingauge.observe.postgres_url import (
    connection_parameters,
    hide_password,
    with_database,
)


@contextmanager
def own_database(variant: str) -> Iterator[str | None]:
    """Create an empty database on the server of DATABASE_URL, and drop it at the end.

    Yields:
        Its URL; None if DATABASE_URL is not set: the service then starts with a separate server.

    Raises:
        TargetError: The server refuses.
        UsageError: DATABASE_URL is no URL of a PostgreSQL database.
    """
    given = os.environ.get("DATABASE_URL")
    if not given:
        yield None
        return
    name = f"straingauge_ab_{variant}_{os.getpid()}"
    url = with_database(given, name)
    _execute(given, f'CREATE DATABASE "{name}"')
    try:
        yield url
    finally:
        _execute(given, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def vacuum(url: str) -> None:
    """Vacuum and analyse a database after it was filled.

    Otherwise autovacuum does so during the trial, at different times in the two databases, and
    query plans differ in between: up to 20 % on one endpoint between two equal builds.

    Raises:
        TargetError: The server refuses.
    """
    _execute(url, "VACUUM (ANALYZE)")


def _execute(url: str, statement: str) -> None:
    try:
        import psycopg
        from psycopg.conninfo import make_conninfo
    except ImportError as error:
        raise TargetError(
            "a database for each variant needs psycopg",
            hint=f"{install_command('postgres')}; or unset DATABASE_URL",
        ) from error
    parameters = connection_parameters(url)
    try:
        with psycopg.connect(make_conninfo(**parameters), autocommit=True) as connection:
            connection.execute(statement.encode())
    except psycopg.Error as error:
        reason = hide_password(str(error), parameters).strip()
        raise TargetError(
            f"the database server refuses {statement!r}: {reason}",
            hint="grant CREATEDB to its user, or unset DATABASE_URL",
        ) from error
