from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from straingauge.ab.database import own_database, vacuum
from straingauge.errors import TargetError
from straingauge.target import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A database URL as SQLAlchemy writes it."""
    with Postgres(durable=False, max_connections=20) as running:
        yield running.url.replace("://", "+asyncpg://", 1)


def libpq_url(url: str) -> str:
    """Return the URL as PostgreSQL's own clients write it."""
    return url.replace("+asyncpg", "")


def databases(url: str) -> set[str]:
    """Return the names of all databases of the server."""
    with psycopg.connect(libpq_url(url)) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    return {str(name) for (name,) in rows}


def test_each_variant_has_a_separate_database(server: str, monkeypatch: pytest.MonkeyPatch):
    """On the server of DATABASE_URL each variant gets a database, dropped at the end."""
    monkeypatch.setenv("DATABASE_URL", server)
    before = databases(server)
    with own_database("base") as base, own_database("head") as head:
        assert base is not None
        assert head is not None
        names = {urlsplit(url).path.strip("/") for url in (base, head)}
        assert databases(server) - before == names
        assert len(names) == 2
        with psycopg.connect(libpq_url(base)) as connection:
            connection.execute("CREATE TABLE things AS SELECT n FROM generate_series(1, 500) n")
        vacuum(base)
        with psycopg.connect(libpq_url(base)) as connection:
            row_estimate = connection.execute(
                "SELECT reltuples FROM pg_class WHERE relname = 'things'"
            ).fetchone()
        assert row_estimate == (500,)
    assert databases(server) == before


def test_a_server_that_refuses_to_create_databases(server: str, monkeypatch: pytest.MonkeyPatch):
    """If no database can be created, the error says so, and how to allow it."""
    with psycopg.connect(libpq_url(server), autocommit=True) as connection:
        connection.execute("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    parts = urlsplit(server)
    restricted = parts._replace(netloc=f"poor:poor@{parts.hostname}:{parts.port}").geturl()
    monkeypatch.setenv("DATABASE_URL", restricted)
    with pytest.raises(TargetError, match="permission denied") as error, own_database("base"):
        pass
    assert error.value.hint is not None
    assert "CREATEDB" in error.value.hint


def test_no_database_without_a_server(monkeypatch: pytest.MonkeyPatch):
    """Without DATABASE_URL, no database is created."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with own_database("base") as url:
        assert url is None
