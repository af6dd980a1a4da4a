"""A database for each side, and both in the same state before anything is measured."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from straingauge.errors import TargetError


@contextmanager
def own_database(side: str) -> Iterator[str | None]:
    """The address of a new, empty database beside that of DATABASE_URL; it is dropped in the end.

    None where the variable is not set: the stand then starts a server of its own.

    Raises:
        TargetError: The server refuses; two builds must not share one database.
    """
    given = os.environ.get("DATABASE_URL")
    if not given:
        yield None
        return
    name = f"straingauge_ab_{side}_{os.getpid()}"
    _execute(given, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(urlsplit(given)._replace(path=f"/{name}"))
    finally:
        _execute(given, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def vacuum(url: str) -> None:
    """Bring a database to rest after it was filled: row versions, statistics, what is unwritten.

    Else autovacuum does it some time during the trial, in one of the two before the other, and
    their plans differ meanwhile: that is a fifth on one endpoint between two equal builds.

    Raises:
        TargetError: The server refuses.
    """
    _execute(url, "VACUUM (ANALYZE)")


def _execute(url: str, statement: str) -> None:
    parts = urlsplit(url)
    # SQLAlchemy names its driver in the scheme; PostgreSQL's own clients do not know it.
    server = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
    try:
        import psycopg
    except ImportError as error:
        raise TargetError(
            "a database for each side takes psycopg",
            hint="pip install 'straingauge[postgres]', or unset DATABASE_URL",
        ) from error
    try:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(statement.encode())
    except psycopg.Error as error:
        raise TargetError(
            f"the database server refuses {statement!r}: {error}".strip(),
            hint="give its user the right CREATEDB, or unset DATABASE_URL",
        ) from error
