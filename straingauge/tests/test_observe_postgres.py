"""Problems injected into a real PostgreSQL appear in the statistics."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from counting_service import counting_service
from database_sections import connect, figures, statement
from psycopg.conninfo import make_conninfo
from stack_tools import eventually
from straingauge.observe import MetricNames, Observer
from straingauge.observe.postgres import Database
from straingauge.result.assembly.resources import resources
from straingauge.target import Postgres

ROWS = 5_000
SESSIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state = %s"
Look = Callable[[Database], object]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a database with one table, of which nothing is in use."""
    with Postgres(durable=False, max_connections=40) as running:
        with connect(running.url) as connection:
            connection.execute("CREATE TABLE things (id int PRIMARY KEY, kind int)")
            insert = "INSERT INTO things SELECT n, n FROM generate_series(1, %s) n"
            connection.execute(insert, (ROWS,))
            connection.execute("CREATE ROLE poor LOGIN PASSWORD 'poor'")
        with connect(running.url) as connection:
            # What the first connection reports after VACUUM would be counted a second time.
            live = "SELECT n_live_tup FROM pg_stat_user_tables"
            assert eventually(lambda: connection.execute(live).fetchall() == [(ROWS,)])
            connection.execute("VACUUM ANALYZE things")
        yield running.url


def test_calls_of_a_statement_are_counted(server: str):
    """A statement is counted as often as it was run in the load, by request, with its rows."""
    query = "SELECT id FROM things WHERE id < %s"
    with connect(server) as before:
        before.execute(query, (4,))

    def load(_: Database) -> None:
        with connect(server) as service:
            for _ in range(37):
                service.execute(query, (4,))

    found = figures(server, load, requests=10)
    one = statement(found, "SELECT id FROM things")
    assert (one["calls"], one["rows"], one["calls_per_request"]) == (37, 3 * 37, 3.7)
    assert one["mean_ms"] == pytest.approx(one["total_ms"] / 37, rel=0.01)
    assert sum(each["share"] for each in found["statements"]) == pytest.approx(1, abs=0.01)
    assert not any("straingauge" in each["query"] for each in found["statements"])
    assert found["commits"] == pytest.approx(37, abs=3)  # and that of the connection itself
    assert found["unavailable"] == []


def test_statements_of_several_roles_are_one(server: str):
    """The same statement of two roles is one statement: who ran it is no matter."""

    def load(_: Database) -> None:
        with connect(server) as service:
            service.execute("GRANT SELECT ON things TO poor")
            for role in ("poor", "NONE"):
                service.execute(f"SET ROLE {role}")
                for _ in range(5):
                    service.execute("SELECT max(id) FROM things")

    assert statement(figures(server, load), "max(id)")["calls"] == 10


def test_counts_that_were_reset_begin_there(server: str):
    """After a reset in the middle of the load what came after it is counted, and that is said."""

    def load(_: Database) -> None:
        with connect(server) as service:
            for _ in range(20):
                service.execute("SELECT min(id) FROM things")
            service.execute("SELECT pg_stat_statements_reset()")
            for _ in range(30):
                service.execute("SELECT min(id) FROM things")

    found = figures(server, load)
    assert statement(found, "min(id)")["calls"] == 30
    assert any("reset" in each for each in found["unavailable"])


def test_sequential_scans_are_counted_with_their_rows(server: str):
    """A table that is searched row by row says so, and how many rows each search read."""

    def load(_: Database) -> None:
        with connect(server) as service:
            for number in range(8):
                service.execute("SELECT * FROM things WHERE kind = %s", (number,))
            for number in range(6):
                service.execute("UPDATE things SET kind = kind WHERE id = %s", (number + 1,))

    (table,) = figures(server, load)["tables"]
    assert table == {
        "table": "things",
        "rows": ROWS,
        "seq_scans": 8,
        "seq_rows_read": 8 * ROWS,
        "rows_per_seq_scan": ROWS,
        "index_scans": 6,
        "inserted": 0,
        "updated": 6,
        "deleted": 0,
    }


def test_a_forgotten_transaction_is_seen(server: str):
    """A session that is idle in its transaction is counted, with the time and its statement."""

    def load(watch: Database) -> None:
        with connect(server) as service:
            service.execute("BEGIN")
            service.execute("SELECT 1, 'secret'")
            assert eventually(lambda: watch.sample()["db_idle_in_transaction_s"] > 1.0)
            service.execute("COMMIT")

    section = figures(server, load)
    found = section["connections"]
    (idle,) = section["idle_in_transaction"]
    assert (idle["statement"], idle["connections"]) == ("SELECT 1, '...'", 1)
    assert found["idle_in_transaction_peak"] == 1
    assert found["idle_in_transaction_longest_s"] >= 1.0  # rounded
    assert idle["longest_s"] >= 1.0
    assert (found["max"], found["peak"]) == (40, 1)


def test_totals_of_the_database(server: str):
    """Rollbacks, temporary files and checkpoints are those of the load."""

    def load(_: Database) -> None:
        with connect(server) as service:
            service.execute("SET work_mem = '64kB'")
            service.execute("SELECT n FROM generate_series(1, 50000) n ORDER BY n % 7, n")
            service.execute("CHECKPOINT")
            for _ in range(3):
                service.execute("BEGIN")
                service.execute("SELECT 1")
                service.execute("ROLLBACK")

    found = figures(server, load)
    assert (found["rollbacks"], found["deadlocks"], found["checkpoints"]) == (3, 0, 1)
    assert found["temp_files"] >= 1
    assert found["sessions"] >= 1
    assert found["temp_bytes"] > 100_000
    assert 0 < found["cache_hit_percent"] <= 100


def test_a_role_without_rights_observes_what_it_may(server: str):
    """A role that may only connect is enough; what it cannot see is said, with what to grant."""
    poor = make_conninfo(server, user="poor", password="poor")

    def load(watch: Database) -> None:
        with connect(server) as service:
            service.execute("BEGIN")
            service.execute("SELECT count(kind) FROM things")
            assert watch.sample()["db_connections"] == 1
            service.execute("COMMIT")

    found = figures(poor, load)
    assert found["connections"]["peak"] == 1
    assert found["tables"][0]["seq_scans"] == 1
    assert found["statements"] == []
    assert found["unavailable"] == [
        "the statements of other roles: GRANT pg_read_all_stats TO poor",
        "the activity of 1 connection of other roles: GRANT pg_read_all_stats TO poor",
    ]


def test_granted_rights_are_no_longer_missing(server: str):
    """Granting what was asked for shows all of it."""
    with connect(server) as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'r'; GRANT pg_read_all_stats TO reader")

    def load(watch: Database) -> None:
        with connect(server) as service:
            service.execute("SELECT count(kind) FROM things")
            watch.sample()

    found = figures(make_conninfo(server, user="reader", password="r"), load)
    assert found["unavailable"] == []
    assert statement(found, "count(kind)")["calls"] == 1


def test_without_the_extension_the_rest_is_seen(server: str):
    """A database without pg_stat_statements shows its tables, and says what would show more."""
    with connect(server) as admin:
        admin.execute("CREATE DATABASE plain TEMPLATE template0")
    plain = make_conninfo(server, dbname="plain")

    def load(_: Database) -> None:
        with connect(plain) as service:
            service.execute("CREATE TABLE seen (id int)")

    found = figures(plain, load)
    assert found["statements"] is None
    assert [each["table"] for each in found["tables"]] == []
    assert found["commits"] >= 1
    assert found["unavailable"] == ["statement times: CREATE EXTENSION pg_stat_statements"]


def test_other_databases_are_not_the_services(server: str):
    """Connections to another database of the server count against its limit, and nowhere else."""

    def load(watch: Database) -> None:
        with connect(server, dbname="postgres") as other:
            other.execute("BEGIN")
            watch.sample()

    found = figures(server, load)["connections"]
    assert (found["peak"], found["server_peak"]) == (0, 1)
    assert found["idle_in_transaction_peak"] == 0


def test_a_lost_connection_is_opened_again(server: str):
    """A database that was away for a while is seen again, and the looks that failed are counted."""

    def load(watch: Database) -> None:
        with connect(server) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'straingauge'"
            )
        assert watch.sample() == {"db_reachable": 0.0}
        assert eventually(lambda: watch.sample()["db_reachable"] == 1.0)

    found = figures(server, load)
    assert found["failed_samples"] >= 1
    assert found["unavailable"] == []


def test_a_driver_of_sqlalchemys_is_no_matter(server: str):
    """An address as SQLAlchemy writes it is understood."""
    found = figures(server.replace("postgresql://", "postgresql+asyncpg://"), lambda _: None)
    assert found["failed_samples"] == 0


def test_a_remote_service_is_observed_by_metrics_and_database(
    server: str, monkeypatch: pytest.MonkeyPatch
):
    """Of a service on another machine its /metrics and its database's address show enough."""
    for user in ("process", "sampler"):
        monkeypatch.setattr(f"straingauge.observe.{user}.is_here", lambda _host: False)
    names = MetricNames(resident_memory="db_pool_size")
    with counting_service() as service:
        with Observer(service.url, names, database_url=server) as observer:
            with connect(server) as client:
                client.execute("SELECT count(*) FROM things")
            observer.cooldown(0.1)
        watched = observer.observations()
    found = resources(watched, {}, 10)
    assert watched.source == "metrics"
    assert watched.samples[-1]["rss_bytes"] == 7
    assert found["service"]["restarts"] is None
    assert found["pool"]["size"] == 7
    assert statement(found["database"], "count(*)")["calls"] == 1
    assert found["cooldown"]["database_connections"] == 0
    assert found["machine"]["others_cpu_percent"] is not None


def test_transactions_left_after_a_load_are_in_the_cooldown(server: str):
    """Sessions that stay idle in a transaction are counted without load, with their time."""
    with (
        counting_service() as service,
        Observer(service.url, database_url=server) as observer,
        connect(server) as first,
        connect(server) as second,
    ):
        for client in (first, second):
            client.execute("BEGIN")
            client.execute("SELECT 1")
        observer.cooldown(0.2)
        found = resources(observer.observations(), {}, 10)["cooldown"]
    assert found is not None
    assert found["database_idle_in_transaction"] == 2
    assert found["database_idle_in_transaction_s"] > 0.1


def test_samples_do_not_wait_for_locks(server: str):
    """The observer is not held up by locks on the service's tables."""
    with connect(server) as holder, closing(Database(server)) as watch:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE things")
        watch.begin()
        began_s = time.monotonic()
        watch.end()
        assert watch.stats().after is not None
        assert time.monotonic() - began_s < 30
        holder.execute("ROLLBACK")
