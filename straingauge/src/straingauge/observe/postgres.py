"""Observe PostgreSQL (14 or later) during a load, by its statistics views.

A role that may only connect sees connections and tables; `DatabaseStats.unavailable` says which
privileges show more.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import psycopg
from psycopg import errors

from straingauge.errors import UsageError
from straingauge.number_text import count
from straingauge.observe import postgres_activity, postgres_counters
from straingauge.observe.database_stats import DatabaseStats
from straingauge.observe.postgres_activity import (
    IDLE_TRANSACTION_S,
    MARK,
    Activity,
    ActivityRow,
    BlockedRow,
    IdleTransactionRow,
)
from straingauge.observe.postgres_connection import PostgresConnection, Rows
from straingauge.observe.postgres_counters import DATABASE_COLUMNS, Counters, Statement, Table

T = TypeVar("T")
RETRY_S = 2.0
STABLE_SAMPLES, STABLE_INTERVAL_S, STABLE_WITHIN_S = 3, 0.1, 2.0


class Database:
    """Observe one database over one connection, which is reopened if it is lost.

    Attributes:
        backend_pid: A server process of that connection.
        host: The host of the server, from the URL; empty for the default.
    """

    def __init__(self, url: str) -> None:
        self.backend_pid: int | None = None
        self.host = ""
        self._url = url
        self._connection: PostgresConnection | None = None
        self._reached = False
        self._behind_pooler = False
        self._flushed = 0  # transactions of the observer that the server has counted
        self._retry_at_s = 0.0
        self._unavailable: dict[str, str] = {}
        self._max_connections: int | None = None
        self._schema: str | None = None
        self._activity = Activity()
        self._before: Counters | None = None
        self._after: Counters | None = None
        self._statements: tuple[dict[int, Statement] | None, float] = (None, 0.0)
        self._texts: dict[int, str] = {}

    def sample(self) -> dict[str, float]:
        """Return a sample; only ``db_reachable`` 0 if the database does not answer."""
        sample = self._try(self._sample, "connection")
        return {"db_reachable": 0.0} if sample is None else {"db_reachable": 1.0, **sample}

    def begin(self) -> None:
        """Start the load: discard earlier observations and read the counters."""
        self._activity = Activity()
        self._before = self._try(self._counters, "counters")

    def end(self) -> None:
        """End the load: wait for its counters, which each connection reports with a delay.

        A connection that becomes idle within a second of its last report keeps the remainder for
        ten seconds (`PGSTAT_IDLE_INTERVAL`); that part is not waited for.
        """
        self._after = self._try(self._stable, "counters")
        if self._before is not None and self._after is not None:
            self._try(partial(self._compare, self._before, self._after), "comparison")

    def stats(self) -> DatabaseStats:
        """Return the observations so far, without counters that reports do not need."""
        seen = self._activity
        over = self._before is not None and self._after is not None
        return DatabaseStats(
            unavailable=tuple(dict.fromkeys(self._unavailable.values())),
            reached=self._reached,
            behind_pooler=self._behind_pooler,
            max_connections=self._max_connections,
            active=seen.active,
            waits=dict(seen.waits),
            blocked=tuple(seen.blocked.values()),
            idle_transactions=tuple(seen.idle_transactions.values()),
            before=replace(self._before, statements=None) if over and self._before else None,
            after=replace(self._after, statements=None) if over and self._after else None,
            statements=self._statements[0],
            statements_ms=self._statements[1],
            texts=self._texts,
        )

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _try(self, query: Callable[[], T], what: str) -> T | None:
        """Return the outcome of a query; None, with a reason in `unavailable`, if it fails."""
        try:
            self._connect()
            outcome = query() if self._connection is not None else None
        except (psycopg.Error, UsageError) as error:
            self._unavailable[what] = f"the database could not be queried: {_first_line(error)}"
            self.close()
            self._retry_at_s = time.monotonic() + RETRY_S
            return None
        if outcome is not None:
            self._unavailable.pop(what, None)
        return outcome

    def _connect(self) -> None:
        if self._connection is not None or time.monotonic() < self._retry_at_s:
            return
        self._connection = connection = PostgresConnection(self._url)
        self._flushed = 0
        self.host, self.backend_pid = connection.host, connection.backend_pid
        self._max_connections = int(self._ask(f"SHOW {MARK} max_connections")[0][0])
        rows = self._ask(postgres_counters.WHERE_EXTENSION)
        self._schema = rows[0][0] if rows else None
        self._behind_pooler = connection.behind_pooler
        self._reached = True

    def _ask(self, statement: str) -> Rows:
        assert self._connection is not None
        return self._connection.query(statement)

    def _sample(self) -> dict[str, float]:
        sample = self._activity.add(map(ActivityRow._make, self._ask(postgres_activity.ACTIVITY)))
        sample |= {"db_blocked": 0.0, "db_blocked_s": 0.0}
        if sample["db_waiting_for_locks"]:
            rows = [BlockedRow._make(row) for row in self._ask(postgres_activity.BLOCKED)]
            sample |= self._activity.add_blocked(rows)
        if sample["db_idle_in_transaction_s"] > IDLE_TRANSACTION_S:
            idle = self._ask(postgres_activity.IDLE_TRANSACTIONS)
            self._activity.add_idle_transactions(map(IdleTransactionRow._make, idle))
        if self._activity.hidden:
            self._unavailable["activity"] = (
                f"the activity of {count(self._activity.hidden, 'connection')} of other roles: "
                f"GRANT pg_read_all_stats TO {self._role}"
            )
        return sample

    @property
    def _role(self) -> str:
        assert self._connection is not None
        return self._connection.user

    def _counters(self) -> Counters:
        self._flush()
        database, since = self._database()
        statements, statements_since = self._statement_counts()
        return Counters(statements, statements_since, self._tables(), database, since)

    def _stable(self) -> Counters:
        """Return the counters, once those of the tables stay the same."""
        give_up_s = time.monotonic() + STABLE_WITHIN_S
        tables, same = self._tables(), 1
        while same < STABLE_SAMPLES and time.monotonic() < give_up_s:
            time.sleep(STABLE_INTERVAL_S)
            now = self._tables()
            same = same + 1 if now == tables else 1
            tables = now
        return self._counters()

    def _flush(self) -> None:
        """Make the server count the observer's transactions now, so that they can be subtracted."""
        assert self._connection is not None
        if self._connection.version >= 150000:
            self._ask(f"SELECT {MARK} pg_stat_force_next_flush()")
        self._flushed = self._connection.transactions

    def _tables(self) -> dict[int, Table]:
        return {row[0]: Table(*row[1:]) for row in self._ask(postgres_counters.TABLES)}

    def _database(self) -> tuple[dict[str, float], str]:
        assert self._connection is not None
        since, *values = self._ask(postgres_counters.DATABASE)[0]
        found = dict(zip(DATABASE_COLUMNS, map(float, values), strict=True))
        found["commits"] -= self._flushed
        count = postgres_counters.checkpoints(self._connection.version)
        found["checkpoints"] = float(self._ask(count)[0][0])
        if self._connection.version >= postgres_counters.SESSIONS_SINCE:
            found["sessions"] = float(self._ask(postgres_counters.SESSIONS)[0][0])
        return found, since

    def _statement_counts(self) -> tuple[dict[int, Statement] | None, tuple[str, int]]:
        """Return the counters of statements, and since when; None if they are not available."""
        if self._schema is None:
            self._unavailable["statements"] = "statement times: CREATE EXTENSION pg_stat_statements"
            return None, ("", 0)
        try:
            own = {row[0] for row in self._ask(postgres_counters.OWN.format(schema=self._schema))}
            rows = self._ask(postgres_counters.STATEMENTS.format(schema=self._schema))
            since, forgotten = self._ask(
                postgres_counters.STATEMENTS_INFO.format(schema=self._schema)
            )[0]
        except errors.ObjectNotInPrerequisiteState:
            self._unavailable["statements"] = (
                "statement times: shared_preload_libraries lacks pg_stat_statements"
            )
            return None, ("", 0)
        except (errors.UndefinedColumn, errors.UndefinedFunction, errors.UndefinedTable):
            self._unavailable["statements"] = (
                "statement times: ALTER EXTENSION pg_stat_statements UPDATE"
            )
            return None, ("", 0)
        except errors.InsufficientPrivilege:
            self._unavailable["statements"] = (
                f"statement times: GRANT pg_read_all_stats TO {self._role}"
            )
            return None, ("", 0)
        if any(id_ is None for id_, *_ in rows):
            self._unavailable["statements"] = (
                f"the statements of other roles: GRANT pg_read_all_stats TO {self._role}"
            )
        counts = {id_: Statement(*rest) for id_, *rest in rows if id_ is not None}
        return {id_: each for id_, each in counts.items() if id_ not in own}, (since, forgotten)

    def _compare(self, before: Counters, after: Counters) -> None:
        if before.statements is None or after.statements is None or self._schema is None:
            return
        if before.statements_since[0] != after.statements_since[0]:
            self._unavailable["reset"] = (
                "statements before pg_stat_statements was reset during the load"
            )
        if before.statements_since[1] != after.statements_since[1]:
            self._unavailable["forgotten"] = "evicted statements: raise pg_stat_statements.max"
        self._statements = top, _ = postgres_counters.busiest(before, after)
        self._texts = postgres_counters.texts(self._ask, self._schema, list(top))


def _first_line(error: Exception) -> str:
    if isinstance(error, UsageError) and error.hint:
        return f"{error}: {error.hint}"
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
