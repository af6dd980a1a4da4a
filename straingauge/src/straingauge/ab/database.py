"""A database for each variant, and the same initial state of both."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from straingauge.errors import TargetError


@contextmanager
def own_database(variant: str) -> Iterator[str | None]:
    """Create an empty database on the server of DATABASE_URL, and drop it at the end.

    Yields:
        Its URL; None if DATABASE_URL is not set: the service then starts with a separate server.

    Raises:
        TargetError: The server refuses.
    """
    given = os.environ.get("DATABASE_URL")
    if not given:
        yield None
        return
    name = f"straingauge_ab_{variant}_{os.getpid()}"
    _execute(given, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(given)._replace(path=f"/{name}"))
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
    parts = urlsplit(url)
    # SQLAlchemy puts its driver into the scheme, which PostgreSQL clients do not accept.
    server = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
    try:
        import psycopg
    except ImportError as error:
        raise TargetError(
            "a database for each variant needs psycopg",
            hint="pip install 'straingauge[postgres]', or unset DATABASE_URL",
        ) from error
    try:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement.encode())
    except psycopg.Error as error:
        raise TargetError(
            f"the database server refuses {statement!r}: {error}".strip(),
            hint="grant CREATEDB to its user, or unset DATABASE_URL",
        ) from error
