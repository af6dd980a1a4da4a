"""A connection to PostgreSQL that leaves nothing behind, direct or through a pooler.

A pooler such as PgBouncer hands the same server connection to the observer and to the service in
turn, so a setting of the session would stay for the service. All settings are therefore made for
one transaction, in the same message as the statement: that is one round trip, and the transaction
ends even if the client disappears.
"""

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import make_conninfo

from straingauge.observe.postgres_activity import MARK
from straingauge.observe.postgres_url import connection_parameters, hide_password

OLDEST = 140000
CONNECT_S = 2
# Longer than statement_timeout. A pooler lets a client wait for a free connection for minutes, and
# a stopped server does not end statements.
ANSWER_S = 5.0
SETTINGS = f"""
    SET LOCAL {MARK} statement_timeout = '2s'; SET LOCAL {MARK} lock_timeout = '1s';
    SET LOCAL {MARK} transaction_read_only = on; SET LOCAL {MARK} jit = off;
"""

WAKE_UP_S = 0.1

RV = TypeVar("RV")
Rows = list[tuple[Any, ...]]


class PostgresConnection:
    """An open connection.

    Attributes:
        host: The host in the URL; empty for the default.
        user: The role.
        version: The server's version, such as 180001.
        backend_pid: The server process that ran the first statement.
        behind_pooler: A pooler answered, which gives out process ids that are not the server's.
        transactions: Transactions of this connection so far, which the server counts as well.
    """

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            UsageError: This is no URL of a PostgreSQL database.
            psycopg.Error: The database cannot be reached, or is too old. No message has the
                password.
        """
        self._parameters = connection_parameters(url)
        self.host = self._parameters.get("host", "")
        self.transactions = 0
        try:
            # Statements are not prepared: a pooler in between may switch sessions.
            self._connection = _TimedConnection.connect(
                make_conninfo(**self._parameters),
                autocommit=True,
                connect_timeout=CONNECT_S,
                application_name="",  # PgBouncer would keep it for the next client
                prepare_threshold=None,
            )
        except psycopg.Error as error:
            raise psycopg.OperationalError(hide_password(_text(error), self._parameters)) from None
        self.user, self.version = self._connection.info.user, self._connection.info.server_version
        try:
            self.backend_pid = self._identify()
            self.behind_pooler = self.backend_pid != self._connection.info.backend_pid
            if not self.behind_pooler:
                self.transactions += 1
                self._connection.execute(f"SET {MARK} application_name = straingauge".encode())
        except BaseException:
            self.close()
            raise

    def query(self, statement: str) -> Rows:
        """Run one statement in a read-only transaction, and return its rows.

        Raises:
            psycopg.Error: It failed, or there was no answer in time.
        """
        self.transactions += 1
        with self._connection.cursor() as cursor:
            cursor.execute((SETTINGS + statement).encode())
            while cursor.nextset():
                pass
            return cursor.fetchall()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _identify(self) -> int:
        if self.version < OLDEST:
            raise psycopg.NotSupportedError(f"PostgreSQL {self.version // 10000} is older than 14")
        return int(self.query(f"SELECT {MARK} pg_backend_pid()")[0][0])


class _TimedConnection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for an answer for `ANSWER_S` at most."""

    def wait(self, gen: PQGen[RV], interval: float = WAKE_UP_S, timeout: float | None = None) -> RV:
        """Run a generator of the driver, which is woken up at least every `interval` seconds."""
        del timeout  # older versions of the driver have none
        return super().wait(_limited(gen), interval)


def _limited(steps: PQGen[RV]) -> PQGen[RV]:
    """Run a generator of the driver up to the time limit."""
    give_up_s = time.monotonic() + ANSWER_S
    try:
        state = next(steps)
        while True:
            ready = yield state
            if time.monotonic() > give_up_s:
                raise psycopg.OperationalError(f"no answer within {ANSWER_S:g} s")
            state = steps.send(ready)
    except StopIteration as end:
        outcome: RV = end.value
        return outcome


def _text(error: psycopg.Error) -> str:
    return str(error).strip() or type(error).__name__
