"""Activity of PostgreSQL's connections: samples of `pg_stat_activity`, and lock waits."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MARK = "/* straingauge */"
"""Marks the statements of the observer, to distinguish them from those of the service."""

MOST_EXAMPLES = 5
MOST_TEXT = 1000  # characters of a statement

# A role without privileges sees that connections of other roles exist, and nothing else.
ACTIVITY = f"""
    SELECT {MARK} datname = current_database(), coalesce(state, ''),
           coalesce(wait_event_type, ''), coalesce(wait_event, ''), count(*)::float8,
           coalesce(max(extract(epoch FROM clock_timestamp() - state_change)), 0)::float8,
           count(*) FILTER (WHERE query = '<insufficient privilege>')::float8
    FROM pg_stat_activity
    WHERE datname IS NOT NULL AND pid <> pg_backend_pid()
      AND coalesce(backend_type, 'client backend') = 'client backend'
    GROUP BY 1, 2, 3, 4
"""  # noqa: S608  of constants

# Blockers that do not wait themselves come first: they are the root of a queue.
BLOCKED = f"""
    SELECT {MARK} waiting.pid,
           coalesce(extract(epoch FROM clock_timestamp() - (
               SELECT min(waitstart) FROM pg_locks
               WHERE pg_locks.pid = waiting.pid AND NOT granted)), 0)::float8,
           left(waiting.query, {MOST_TEXT}), left(coalesce(blocking.query, ''), {MOST_TEXT}),
           coalesce(blocking.state, '') LIKE 'idle in transaction%'
    FROM pg_stat_activity AS waiting
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker(pid)
    LEFT JOIN pg_stat_activity AS blocking ON blocking.pid = blocker.pid
    WHERE waiting.wait_event_type = 'Lock' AND waiting.datname = current_database()
    ORDER BY blocking.wait_event_type IS NOT DISTINCT FROM 'Lock', 2 DESC
"""  # noqa: S608  of constants

# A transaction that is idle for long has forgotten to end; the statement is its last one.
IDLE_TRANSACTION_S = 1.0
IDLE_TRANSACTIONS = f"""
    SELECT {MARK} left(query, {MOST_TEXT}), count(*)::float8,
           max(extract(epoch FROM clock_timestamp() - state_change))::float8
    FROM pg_stat_activity
    WHERE datname = current_database() AND state LIKE 'idle in transaction%'
      AND clock_timestamp() - state_change > {IDLE_TRANSACTION_S} * interval '1 second'
      AND query <> '<insufficient privilege>'
    GROUP BY 1 ORDER BY 2 DESC LIMIT {MOST_EXAMPLES}
"""  # noqa: S608  of constants

_LITERAL = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)


def scrub_statement(statement: str) -> str:
    """Return a statement on one line, without its string literals, which may be secret."""
    return " ".join(_LITERAL.sub("'...'", statement).split())[:MOST_TEXT]


class ActivityRow(NamedTuple):
    """Connections in the same state: a row of `ACTIVITY`."""

    here: bool
    state: str
    wait_type: str
    wait: str
    connections: float
    longest_s: float
    hidden: float


class BlockedRow(NamedTuple):
    """A connection that waits for a lock, and one that blocks it: a row of `BLOCKED`.

    `is_idle` tells that the blocking transaction runs no statement; `blocking` is its last one.
    """

    pid: int
    waiting_s: float
    waiting: str
    blocking: str
    is_idle: bool


class IdleTransactionRow(NamedTuple):
    """Transactions that are idle, by their last statement: a row of `IDLE_TRANSACTIONS`."""

    statement: str
    connections: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Active connections that waited for one event: over all samples, and at most in one."""

    total: float
    peak: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """A statement that waited for a lock, the one that blocked it, and the longest wait.

    Attributes:
        waiting: The statement that waited.
        blocking: The one that ran meanwhile in the blocking transaction, or the last one.
        longest_s: The longest wait.
        samples: Number of waits that were seen.
        idle: Of these, those in which the blocking transaction ran no statement.
    """

    waiting: str
    blocking: str
    longest_s: float
    samples: int = 0
    idle: int = 0


@dataclass(frozen=True, slots=True)
class IdleTransaction:
    """The last statement of transactions that stay idle, the most at once and the longest time."""

    statement: str
    connections: float
    longest_s: float


@dataclass(slots=True)
class Activity:
    """All samples of the connections, combined.

    Attributes:
        active: Active connections, summed over all samples.
        waits: Their wait events, as "type:event".
        blocked: Lock waits, by (waiting, blocking).
        idle_transactions: Transactions that stay idle, by their last statement.
        hidden: Highest number of connections whose activity is not visible.
    """

    active: float = 0.0
    waits: dict[str, Wait] = field(default_factory=dict)
    blocked: dict[tuple[str, str], Blocked] = field(default_factory=dict)
    idle_transactions: dict[str, IdleTransaction] = field(default_factory=dict)
    hidden: float = 0.0

    def add(self, rows: Iterable[ActivityRow]) -> dict[str, float]:
        """Add a sample of all connections; return its values."""
        rows = list(rows)
        here = [row for row in rows if row.here]
        active = [row for row in here if row.state == "active"]
        idle = [row for row in here if row.state.startswith("idle in transaction")]
        self.active += _sum(active)
        self.hidden = max(self.hidden, sum(row.hidden for row in here))
        for row in active:
            if row.wait_type:
                name = f"{row.wait_type}:{row.wait}"
                had = self.waits.get(name, Wait(0.0, 0.0))
                self.waits[name] = Wait(had.total + row.connections, max(had.peak, row.connections))
        return {
            "db_connections": _sum(here),
            "db_server_connections": _sum(rows),
            "db_active": _sum(active),
            "db_idle_in_transaction": _sum(idle),
            "db_idle_in_transaction_s": max((row.longest_s for row in idle), default=0.0),
            "db_waiting_for_locks": _sum(row for row in active if row.wait_type == "Lock"),
        }

    def add_blocked(self, rows: Sequence[BlockedRow]) -> dict[str, float]:
        """Add the lock waits of a sample; return its values."""
        first_of_each = {row.pid: row for row in reversed(rows)}
        for row in first_of_each.values():
            key = (scrub_statement(row.waiting), scrub_statement(row.blocking))
            had = self.blocked.get(key, Blocked(*key, 0.0))
            if key in self.blocked or len(self.blocked) < MOST_EXAMPLES:
                self.blocked[key] = Blocked(
                    *key,
                    max(had.longest_s, row.waiting_s),
                    had.samples + 1,
                    had.idle + row.is_idle,
                )
        return {
            "db_blocked": len(first_of_each),
            "db_blocked_s": max((row.waiting_s for row in rows), default=0.0),
        }

    def add_idle_transactions(self, rows: Iterable[IdleTransactionRow]) -> None:
        """Add the transactions of a sample that stay idle."""
        for row in rows:
            statement = scrub_statement(row.statement)
            had = self.idle_transactions.get(statement, IdleTransaction(statement, 0.0, 0.0))
            if statement in self.idle_transactions or len(self.idle_transactions) < MOST_EXAMPLES:
                self.idle_transactions[statement] = IdleTransaction(
                    statement,
                    max(had.connections, row.connections),
                    max(had.longest_s, row.longest_s),
                )


def _sum(rows: Iterable[ActivityRow]) -> float:
    return sum(row.connections for row in rows)
