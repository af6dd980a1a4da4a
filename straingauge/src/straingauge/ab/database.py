"""A database for each side on the server that DATABASE_URL names, where it names one."""

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
    parts = urlsplit(given)
    name = f"straingauge_ab_{side}_{os.getpid()}"
    # SQLAlchemy names its driver in the scheme; PostgreSQL's own clients do not know it.
    server = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
    _execute(server, f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        _execute(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(server: str, statement: str) -> None:
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
            f"no database for each side can be made on the server of DATABASE_URL: {error}".strip(),
            hint="give its user the right CREATEDB, or unset DATABASE_URL",
        ) from error
