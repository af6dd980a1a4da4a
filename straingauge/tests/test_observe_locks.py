"""Lock waits in a real PostgreSQL are seen with both sides."""

import threading
from collections.abc import Iterator

import pytest
from database_sections import connect, figures
from psycopg import Connection
from psycopg.errors import QueryCanceled
from stack_tools import eventually
from straingauge.observe.postgres import Database
from straingauge.target import Postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a database with one table."""
    with Postgres(durable=False, max_connections=40) as running:
        with connect(running.url) as connection:
            connection.execute("CREATE TABLE things (id int PRIMARY KEY, kind int)")
            connection.execute("INSERT INTO things VALUES (1, 1)")
        yield running.url


def test_lock_waits_name_both_sides(server: str):
    """A held lock shows as a wait, with the statement that waits and the one that holds it."""

    def load(watch: Database) -> None:
        with connect(server) as holder, connect(server) as waiter:
            holder.execute("BEGIN")
            holder.execute("UPDATE things SET kind = kind WHERE id = 1 AND 'a name' <> ''")
            update = "UPDATE things SET kind = 0 WHERE id = 1"
            thread = threading.Thread(target=waiter.execute, args=(update,))
            thread.start()
            assert eventually(lambda: watch.sample()["db_blocked_s"] > 0.2)
            holder.execute("ROLLBACK")
            thread.join()

    found = figures(server, load)
    assert found["blocked"]["peak"] == 1
    assert found["blocked"]["longest_s"] > 0.2
    (example,) = found["blocked"]["examples"]
    assert example["waiting"] == "UPDATE things SET kind = 0 WHERE id = 1"
    assert example["blocking"] == "UPDATE things SET kind = kind WHERE id = 1 AND '...' <> '...'"
    assert example["idle_share"] == 1.0
    (wait,) = (each for each in found["waits"] if each["event"] == "Lock:transactionid")
    assert wait["peak"] == 1
    assert wait["share"] > 0.5
    assert found["connections"]["idle_in_transaction_peak"] == 1


def test_a_holder_that_runs_a_statement_is_not_idle(server: str):
    """A transaction that works while others wait for its locks is no idle one."""

    def load(watch: Database) -> None:
        with connect(server) as holder, connect(server) as waiter:
            holder.execute("BEGIN")
            holder.execute("UPDATE things SET kind = kind WHERE id = 1")
            working = threading.Thread(target=until_cancelled, args=(holder,))
            working.start()
            assert eventually(lambda: watch.sample()["db_active"] == 1)
            update = "UPDATE things SET kind = 0 WHERE id = 1"
            waiting = threading.Thread(target=waiter.execute, args=(update,))
            waiting.start()
            assert eventually(lambda: watch.sample()["db_blocked_s"] > 0.1)
            holder.cancel()
            for thread in (working, waiting):
                thread.join()

    def until_cancelled(holder: Connection) -> None:
        with pytest.raises(QueryCanceled):
            holder.execute("SELECT pg_sleep(60)")
        holder.execute("ROLLBACK")

    (example,) = figures(server, load)["blocked"]["examples"]
    assert example["idle_share"] == 0.0


def test_the_root_of_a_queue_is_named(server: str):
    """Of several that wait in a row, each is shown with the one that holds them all up."""

    def load(watch: Database) -> None:
        with connect(server) as holder, connect(server) as second, connect(server) as third:
            holder.execute("BEGIN")
            holder.execute("LOCK TABLE things")
            alter = "ALTER TABLE things ALTER kind DROP NOT NULL"  # the third waits for it as well
            threads = [
                threading.Thread(target=second.execute, args=(alter,)),
                threading.Thread(target=third.execute, args=("DELETE FROM things WHERE id = 0",)),
            ]
            for count, thread in enumerate(threads, 1):
                thread.start()
                assert eventually(lambda n=count: watch.sample()["db_blocked"] == n)
            holder.execute("ROLLBACK")
            for thread in threads:
                thread.join()

    blocked = figures(server, load)["blocked"]
    assert blocked["peak"] == 2
    assert {each["blocking"] for each in blocked["examples"]} == {"LOCK TABLE things"}
