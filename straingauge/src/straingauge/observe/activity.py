"""What PostgreSQL's connections do at one instant: `pg_stat_activity`, and who waits for whom."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MARK = "/* straingauge */"
"""In each of the observer's own statements, by which they are told from those of the service."""

MOST_EXAMPLES = 5
MOST_TEXT = 1000  # characters of a statement; a list of thousands of values says no more

# A role without rights sees that others' connections are there, and nothing else of them.
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

# Holders first that wait for nobody themselves: they are the root of a queue.
BLOCKED = f"""
    SELECT {MARK} waiting.pid,
           coalesce(extract(epoch FROM clock_timestamp() - (
               SELECT min(waitstart) FROM pg_locks
               WHERE pg_locks.pid = waiting.pid AND NOT granted)), 0)::float8,
           left(waiting.query, {MOST_TEXT}), left(coalesce(holding.query, ''), {MOST_TEXT})
    FROM pg_stat_activity AS waiting
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocker(pid)
    LEFT JOIN pg_stat_activity AS holding ON holding.pid = blocker.pid
    WHERE waiting.wait_event_type = 'Lock' AND waiting.datname = current_database()
    ORDER BY holding.wait_event_type IS NOT DISTINCT FROM 'Lock', 2 DESC
"""  # noqa: S608  of constants

_LITERAL = re.compile(r"'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)


def scrub_statement(statement: str) -> str:
    """A statement on one line, without the texts that stand in it: they may be anybody's secret."""
    return " ".join(_LITERAL.sub("'...'", statement).split())[:MOST_TEXT]


class ActivityRow(NamedTuple):
    """Connections that do the same: a row of `ACTIVITY`."""

    here: bool
    state: str
    wait_type: str
    wait: str
    connections: float
    longest_s: float
    hidden: float


class BlockedRow(NamedTuple):
    """A connection that waits for a lock, and one that stands in its way: a row of `BLOCKED`."""

    pid: int
    waiting_s: float
    waiting: str
    holding: str


@dataclass(frozen=True, slots=True)
class Wait:
    """How often active connections were seen waiting for one thing: in all, and at once."""

    total: float
    peak: float


@dataclass(frozen=True, slots=True)
class Blocked:
    """A statement that waited, the one that held it up, and for how long at most."""

    waiting: str
    holding: str
    longest_s: float


@dataclass(slots=True)
class Activity:
    """All looks at the connections, put together.

    Attributes:
        active: Connections seen at work, over all looks.
        waits: What those waited for, by "type:event".
        blocked: Who was seen to wait for whom, by (waiting, holding).
        hidden: Most connections of which nothing could be seen.
    """

    active: float = 0.0
    waits: dict[str, Wait] = field(default_factory=dict)
    blocked: dict[tuple[str, str], Blocked] = field(default_factory=dict)
    hidden: float = 0.0

    def add(self, rows: Iterable[ActivityRow]) -> dict[str, float]:
        """Take in a look; gives its sample."""
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
        """Take in who waits for whom; gives its sample."""
        first_of_each = {row.pid: row for row in reversed(rows)}
        for row in first_of_each.values():
            key = (scrub_statement(row.waiting), scrub_statement(row.holding))
            had = self.blocked.get(key, Blocked(*key, 0.0))
            if key in self.blocked or len(self.blocked) < MOST_EXAMPLES:
                self.blocked[key] = Blocked(*key, max(had.longest_s, row.waiting_s))
        return {
            "db_blocked": len(first_of_each),
            "db_blocked_s": max((row.waiting_s for row in rows), default=0.0),
        }


def _sum(rows: Iterable[ActivityRow]) -> float:
    return sum(row.connections for row in rows)
