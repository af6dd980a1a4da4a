from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
from straingauge.ab.database import own_database, vacuum
from straingauge.errors import TargetError
from straingauge.target import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a database, as SQLAlchemy writes it."""
    with Postgres(durable=False, max_connections=20) as running:
        yield running.url.replace("://", "+asyncpg://", 1)


def plain(url: str) -> str:
    """The address as PostgreSQL's own clients write it."""
    return url.replace("+asyncpg", "")


def databases(url: str) -> set[str]:
    """The names of all databases there."""
    with psycopg.connect(plain(url)) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
    return {str(name) for (name,) in rows}


def test_each_side_has_a_database_of_its_own(server: str, monkeypatch: pytest.MonkeyPatch):
    """On the server of DATABASE_URL each variant gets a new database, of which nothing is left."""
    monkeypatch.setenv("DATABASE_URL", server)
    before = databases(server)
    with own_database("base") as base, own_database("head") as head:
        assert base is not None
        assert head is not None
        names = {urlsplit(url).path.strip("/") for url in (base, head)}
        assert databases(server) - before == names
        assert len(names) == 2
        with psycopg.connect(plain(base)) as connection:
            connection.execute("CREATE TABLE things AS SELECT n FROM generate_series(1, 500) n")
        vacuum(base)
        with psycopg.connect(plain(base)) as connection:
            known = connection.execute(
                "SELECT reltuples FROM pg_class WHERE relname = 'things'"
            ).fetchone()
        assert known == (500,)
    assert databases(server) == before


def test_a_server_that_refuses_is_no_reason_to_share(server: str, monkeypatch: pytest.MonkeyPatch):
    """If no database can be created, the error says so, and what to do."""
    with psycopg.connect(plain(server), autocommit=True) as connection:
        connection.execute("CREATE ROLE poor LOGIN PASSWORD 'poor'")
    parts = urlsplit(server)
    poor = parts._replace(netloc=f"poor:poor@{parts.hostname}:{parts.port}").geturl()
    monkeypatch.setenv("DATABASE_URL", poor)
    with pytest.raises(TargetError, match="permission denied") as refused, own_database("base"):
        pass
    assert refused.value.hint is not None
    assert "CREATEDB" in refused.value.hint


def test_without_a_server_the_stand_starts_one(monkeypatch: pytest.MonkeyPatch):
    """Without DATABASE_URL, no database is created."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with own_database("base") as url:
        assert url is None
