"""The observer behind PgBouncer in transaction mode, where clients share connections."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from counting_service import counting_service
from straingauge.ab.database import own_database, vacuum
from straingauge.doctor.check_result import CheckContext
from straingauge.doctor.database import database as check_database
from straingauge.observe import Observer, postgres_connection
from straingauge.observe.postgres import Database
from straingauge.observe.postgres_connection import PostgresConnection
from straingauge.target import Postgres
from straingauge.target.pgbouncer import HINT, PgBouncer, find_pgbouncer

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(find_pgbouncer() is None, reason=f"no PgBouncer: {HINT}"),
]
SETTINGS = "SELECT name, setting FROM pg_settings ORDER BY name"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a server with a table."""
    with Postgres(durable=False, max_connections=20) as running:
        with connect(running.url) as connection:
            connection.execute("CREATE TABLE things (id int)")
        yield running.url


@pytest.fixture(scope="module", params=["transaction", "statement", "session"])
def pooler(request: pytest.FixtureRequest, server: str) -> Iterator[str]:
    """URL of a pooler whose clients take turns at one connection."""
    with PgBouncer(server, pool_mode=request.param, pool_size=1) as running:
        yield running.url


@pytest.fixture
def transaction_pooler(server: str) -> Iterator[str]:
    """URL of a pooler in transaction mode, with one connection."""
    with PgBouncer(server, pool_size=1) as running:
        yield running.url


def connect(url: str) -> psycopg.Connection[Any]:
    """A client as a service behind a pooler has it."""
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)


def settings(url: str) -> list[tuple[Any, ...]]:
    """All settings of the connection that the next client gets."""
    with connect(url) as client:
        return client.execute(SETTINGS).fetchall()


def test_observer_leaves_nothing_in_a_pooled_connection(pooler: str):
    """After observing a load, the next client finds the settings of before, and may write."""
    before = settings(pooler)
    with closing(Database(pooler)) as observer:
        observer.begin()
        assert observer.sample()["db_reachable"] == 1
        observer.end()
        assert observer.stats().statements is not None
    assert settings(pooler) == before
    with connect(pooler) as client:
        client.execute("INSERT INTO things VALUES (1)")
        assert client.execute("SELECT name FROM pg_prepared_statements").fetchall() == []


def test_writes_of_a_service_succeed_while_it_is_observed(transaction_pooler: str):
    """A service that shares the observer's connection writes without an error."""
    written = threading.Event()

    def write() -> None:
        with connect(transaction_pooler) as service:
            for _ in range(200):
                service.execute("INSERT INTO things VALUES (2)")
        written.set()

    with closing(Database(transaction_pooler)) as observer:
        observer.begin()
        service = threading.Thread(target=write)
        service.start()
        while service.is_alive():
            assert observer.sample()["db_reachable"] == 1
        observer.end()
        calls = [each.calls for each in (observer.stats().statements or {}).values()]
    assert written.is_set()
    assert 200 in calls


def test_pooler_is_detected(server: str, transaction_pooler: str, tmp_path: Path):
    """A pooler is a note of the run and in doctor's line; a direct connection has none."""
    for url, behind in ((server, False), (transaction_pooler, True)):
        with counting_service() as service:
            with Observer(service.url, database_url=url) as observer:
                observer.cooldown(0.1)
            seen = observer.observations()
            context = CheckContext(
                service.url, answers=False, results=tmp_path, users=1, database_url=url
            )
            line = next(iter(check_database(context)))
        assert any("connection pooler" in each for each in seen.unavailable) is behind
        assert ("through a connection pooler" in line.message) is behind


def test_settings_hold_for_the_observers_statements(server: str):
    """The observer's statements have time limits and cannot write."""
    with closing(PostgresConnection(server)) as connection:
        for name, value in (("statement_timeout", "2s"), ("lock_timeout", "1s"), ("jit", "off")):
            assert connection.query(f"SHOW {name}") == [(value,)]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.query("INSERT INTO things VALUES (3)")
        assert connection.query("SELECT 1") == [(1,)]


def test_a_pool_without_free_connections_is_not_waited_for(
    transaction_pooler: str, monkeypatch: pytest.MonkeyPatch
):
    """A pooler that gives no connection is an unreachable database after the time limit."""
    monkeypatch.setattr(postgres_connection, "ANSWER_S", 0.3)
    with closing(Database(transaction_pooler)) as observer, connect(transaction_pooler) as client:
        assert observer.sample()["db_reachable"] == 1
        client.execute("BEGIN")
        client.execute("SELECT 1")
        assert observer.sample() == {"db_reachable": 0.0}
        client.execute("COMMIT")
        assert any("no answer within 0.3 s" in each for each in observer.stats().unavailable)


def test_ab_creates_databases_behind_a_pooler(
    transaction_pooler: str, monkeypatch: pytest.MonkeyPatch
):
    """A database for each variant is created, vacuumed and dropped through a pooler."""
    monkeypatch.setenv("DATABASE_URL", transaction_pooler)
    before = settings(transaction_pooler)
    with own_database("base") as url:
        assert url is not None
        vacuum(url)
    assert settings(transaction_pooler) == before
