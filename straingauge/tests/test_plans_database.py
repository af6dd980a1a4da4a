"""Plans are read from a real PostgreSQL, and missing indexes tried in it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from straingauge.observe.postgres_connection import Rows
from straingauge.plans.index_trial import try_indexes
from straingauge.plans.plan_reader import ReadPlans, plans_of, read_plans
from straingauge.result.format.resources import Statement
from straingauge.target import Postgres

JOIN = "SELECT b.title FROM authors a JOIN books b ON b.author_id = a.id WHERE a.name = %s"
SLOW = "SELECT * FROM books WHERE author_id = 7 ORDER BY title LIMIT 3 + 4"
SCHEMA = """
    CREATE TABLE authors (id int PRIMARY KEY, name text UNIQUE);
    CREATE TABLE books (id int PRIMARY KEY, author_id int, title text);
    INSERT INTO authors SELECT n, 'author ' || n FROM generate_series(1, 1000) n;
    INSERT INTO books SELECT n, n % 1000, 'title ' || n FROM generate_series(1, 20000) n;
    ANALYZE; CREATE ROLE poor LOGIN PASSWORD 'poor'; GRANT pg_read_all_stats TO poor
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a database whose table of books lacks an index."""
    with Postgres(durable=False) as running:
        with connect(running.url) as connection:
            connection.execute(SCHEMA)
            connection.execute(SLOW)
            connection.execute(JOIN, ("author 3",))
        yield running.url


def connect(url: str) -> closing[psycopg.Connection[Any]]:
    """A connection whose statements each stand alone."""
    return closing(psycopg.connect(url, autocommit=True))


def statements(url: str) -> list[Statement]:
    """The statements on books, as a result lists them."""
    with connect(url) as connection:
        rows = connection.execute(
            "SELECT queryid, query FROM pg_stat_statements WHERE query LIKE 'SELECT b%' OR query"
            " LIKE 'SELECT * FROM books%' ORDER BY query"
        ).fetchall()
    return [
        {
            "id": str(id_),
            "query": text,
            "calls": 1,
            "total_ms": 10.0,
            "mean_ms": 10.0,
            "rows": 1,
            "calls_per_request": 1.0,
            "share": 0.5,
        }
        for id_, text in rows
    ]


def indexes(url: str) -> list[str]:
    """The names of all indexes on books."""
    with connect(url) as connection:
        query = "SELECT indexname FROM pg_indexes WHERE tablename = 'books'"
        return [name for (name,) in connection.execute(query)]


def test_a_missing_index_is_tried(server: str):
    """The index is created, makes its statement faster, and is removed."""
    found = read_plans(server, statements(server))
    assert (len(found.plans), found.notes) == (2, [])
    assert try_indexes(server, found.plans) == []
    sorted_, joined = (each.described["index"] for each in found.plans)
    assert sorted_
    assert joined
    assert sorted_["create"].endswith("ON public.books (author_id, title)")
    assert joined["create"].endswith("ON public.books (author_id)")
    for index in (sorted_, joined):
        assert index["before_ms"]
        assert index["after_ms"]
        assert index["after_ms"] < index["before_ms"]
    assert indexes(server) == ["books_pkey"]


def test_a_role_without_rights_gets_a_note(server: str):
    """A table that the role may not read is named, with the GRANT that helps."""
    _, _, address = server.partition("@")
    found = read_plans(f"postgresql://poor:poor@{address}", statements(server))
    assert found.plans == []
    assert "permission denied for table books: GRANT SELECT ON it TO poor" in found.notes[0]


def test_an_unreachable_database_gets_a_note():
    """A database that is gone by then is a line, without its password."""
    found = read_plans("postgresql://me:secret@127.0.0.1:1/none", [])
    assert "no plans of statements" in found.notes[0]
    assert "secret" not in found.notes[0]


@dataclass
class RecordedConnection:
    """A connection to a server of some version, which must not be asked anything."""

    version: int
    user: str = "me"
    queries: list[str] = field(default_factory=list)

    def query(self, statement: str) -> Rows:
        """Keep the statement."""
        self.queries.append(statement)
        return []


@dataclass
class LockedTable(RecordedConnection):
    """A connection to a server on which a migration locks one of two tables."""

    def query(self, statement: str) -> Rows:
        """Answer as the server does."""
        if "pg_extension" in statement:
            return [("public",)]
        if "pg_stat_statements" in statement:
            return [("1", "SELECT * FROM locked WHERE a = $1"), ("2", "SELECT $1")]
        if "EXPLAIN" not in statement:
            return []
        if "locked" in statement:
            raise psycopg.errors.LockNotAvailable("canceling statement due to lock timeout")
        return [([{"Plan": {"Node Type": "Result", "Plan Rows": 1}}],)]


def test_a_statement_that_cannot_be_planned_is_a_note(server: str):
    """A locked table costs the plan of its statement, not those of others."""
    one, two = statements(server)
    found = plans_of(LockedTable(180001), [{**one, "id": "1"}, {**two, "id": "2"}])
    assert [each.statement.text for each in found.plans] == ["SELECT $1"]
    assert found.notes == ["no plan of 1 statement: canceling statement due to lock timeout"]


def test_an_old_server_gets_a_note(server: str):
    """PostgreSQL 15 has no plans without values."""
    connection = RecordedConnection(150004)
    note = "plans of statements need PostgreSQL 16; this is 15"
    assert plans_of(connection, statements(server)) == ReadPlans(notes=[note])
    assert connection.queries == []
