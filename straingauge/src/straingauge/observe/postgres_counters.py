"""PostgreSQL's cumulative counters: statements, tables, the database, checkpoints.

The difference between two of them, before and after a load, is the work of that load.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from straingauge.observe.postgres_activity import MARK, scrub_statement

Query = Callable[[str], list[tuple[Any, ...]]]
"""Runs a statement and returns its rows."""

MOST_STATEMENTS = 10

_HERE = "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
STATEMENTS = f"""
    SELECT {MARK} queryid, sum(calls)::float8, sum(total_exec_time)::float8, sum(rows)::float8
    FROM {{schema}}.pg_stat_statements(false) WHERE {_HERE} AND toplevel GROUP BY queryid
"""  # noqa: S608  of constants
STATEMENTS_INFO = (
    f"SELECT {MARK} stats_reset::text, dealloc FROM {{schema}}.pg_stat_statements_info"  # noqa: S608
)
OWN = f"""
    SELECT {MARK} DISTINCT queryid FROM {{schema}}.pg_stat_statements
    WHERE strpos(query, '{MARK}') > 0 AND queryid IS NOT NULL
"""  # noqa: S608  of constants
TEXTS = f"""
    SELECT {MARK} queryid, min(query) FROM {{schema}}.pg_stat_statements
    WHERE queryid = ANY('{{ids}}'::bigint[]) GROUP BY queryid
"""  # noqa: S608  of constants
WHERE_EXTENSION = f"""
    SELECT {MARK} quote_ident(nspname) FROM pg_extension JOIN pg_namespace
    ON pg_namespace.oid = extnamespace WHERE extname = 'pg_stat_statements'
"""  # noqa: S608  of constants

# After a crash or a reset PostgreSQL restarts the count of live rows; ANALYZE's estimate remains.
TABLES = f"""
    SELECT {MARK} relid::bigint,
           CASE WHEN schemaname = 'public' THEN '' ELSE schemaname || '.' END || stat.relname,
           greatest(n_live_tup, reltuples, 0)::float8,
           seq_scan::float8, seq_tup_read::float8, coalesce(idx_scan, 0)::float8,
           n_tup_ins::float8, n_tup_upd::float8, n_tup_del::float8
    FROM pg_stat_user_tables AS stat JOIN pg_class ON pg_class.oid = relid
"""  # noqa: S608  of constants
DATABASE = f"""
    SELECT {MARK} coalesce(stats_reset::text, ''), xact_commit, xact_rollback, blks_hit, blks_read,
           temp_files, temp_bytes, deadlocks
    FROM pg_stat_database WHERE datname = current_database()
"""  # noqa: S608  of constants
DATABASE_COLUMNS = (
    *("commits", "rollbacks", "blocks_hit", "blocks_read"),
    *("temp_files", "temp_bytes", "deadlocks"),
)


# Since PostgreSQL 14.
SESSIONS_SINCE = 140000
SESSIONS = f"SELECT {MARK} sessions FROM pg_stat_database WHERE datname = current_database()"  # noqa: S608


def checkpoints(version: int) -> str:
    """Return the statement that counts checkpoints, for a server version such as 180001."""
    if version >= 180000:  # it distinguishes completed from requested ones
        return f"SELECT {MARK} num_done FROM pg_stat_checkpointer"  # noqa: S608
    if version >= 170000:
        return f"SELECT {MARK} num_timed + num_requested FROM pg_stat_checkpointer"  # noqa: S608
    return f"SELECT {MARK} checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"  # noqa: S608


class Statement(NamedTuple):
    """Counters of one statement."""

    calls: float
    total_ms: float
    rows: float


class Table(NamedTuple):
    """Counters of one table."""

    name: str
    live: float
    seq_scans: float
    seq_rows_read: float
    index_scans: float
    inserted: float
    updated: float
    deleted: float


@dataclass(frozen=True, slots=True)
class Counters:
    """All counters at one instant; None if they are not available.

    Attributes:
        statements: By query id, without the observer's statements.
        statements_since: When counting began, and how many statements were evicted since.
        tables: By object id.
        database: By `DATABASE_COLUMNS`, and `checkpoints`.
        database_since: When that counting began.
    """

    statements: Mapping[int, Statement] | None
    statements_since: tuple[str, int]
    tables: Mapping[int, Table] | None
    database: Mapping[str, float] | None
    database_since: str


def difference(now: Statement, before: Statement | None) -> Statement:
    """Return the increase since `before`; an evicted statement counts from 0 again."""
    if before is None or now.calls < before.calls:
        return now
    return Statement(*(a - b for a, b in zip(now, before, strict=True)))


def busiest(before: Counters, after: Counters) -> tuple[dict[int, Statement], float]:
    """Return the statements that took most time between the two, and the time of all in ms."""
    was_reset = before.statements_since[0] != after.statements_since[0]
    had = {} if was_reset else before.statements or {}
    done = {id_: difference(now, had.get(id_)) for id_, now in (after.statements or {}).items()}
    done = {id_: each for id_, each in done.items() if each.calls > 0}
    top = sorted(done.items(), key=lambda item: -item[1].total_ms)[:MOST_STATEMENTS]
    return dict(top), sum(each.total_ms for each in done.values())


def texts(query: Query, schema: str, ids: Sequence[int]) -> dict[int, str]:
    """Return the texts of these query ids, without literals."""
    rows = query(TEXTS.format(schema=schema, ids="{" + ",".join(map(str, ids)) + "}"))
    return {id_: scrub_statement(text) for id_, text in rows}
