"""What PostgreSQL has counted until now: statements, tables, the database, checkpoints.

Two of these, taken before and after a load, tell what it did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from straingauge.observe.activity import MARK, scrub_statement

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs a statement, with its parameters, and gives its rows."""

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
    WHERE queryid = ANY(%s) GROUP BY queryid
"""  # noqa: S608  of constants
WHERE_EXTENSION = f"""
    SELECT {MARK} quote_ident(nspname) FROM pg_extension JOIN pg_namespace
    ON pg_namespace.oid = extnamespace WHERE extname = 'pg_stat_statements'
"""  # noqa: S608  of constants

# After a crash or a reset PostgreSQL counts live rows anew; ANALYZE's estimate is kept elsewhere.
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


def checkpoints(version: int) -> str:
    """The statement that counts checkpoints, for a server of this version (`180001`)."""
    if version >= 180000:  # it tells those that were done from those that were due
        return f"SELECT {MARK} num_done FROM pg_stat_checkpointer"  # noqa: S608
    if version >= 170000:
        return f"SELECT {MARK} num_timed + num_requested FROM pg_stat_checkpointer"  # noqa: S608
    return f"SELECT {MARK} checkpoints_timed + checkpoints_req FROM pg_stat_bgwriter"  # noqa: S608


class Statement(NamedTuple):
    """What one statement has done."""

    calls: float
    total_ms: float
    rows: float


class Table(NamedTuple):
    """What has been done with one table."""

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
    """All counts at one instant; None where they could not be seen.

    Attributes:
        statements: By query id; without the observer's own.
        statements_since: When the counting of statements began, and how many it had to forget.
        tables: By their object's id.
        database: By `DATABASE_COLUMNS`, and `checkpoints`.
        database_since: When that counting began.
    """

    statements: Mapping[int, Statement] | None
    statements_since: tuple[str, int]
    tables: Mapping[int, Table] | None
    database: Mapping[str, float] | None
    database_since: str


def more_of(now: Statement, before: Statement | None) -> Statement:
    """What was done since; a statement that was forgotten meanwhile is counted from 0 again."""
    if before is None or now.calls < before.calls:
        return now
    return Statement(*(a - b for a, b in zip(now, before, strict=True)))


def busiest(before: Counters, after: Counters) -> tuple[dict[int, Statement], float]:
    """The statements that took most time between the two, and the time of all, in ms."""
    anew = before.statements_since[0] != after.statements_since[0]
    had = {} if anew else before.statements or {}
    done = {id_: more_of(now, had.get(id_)) for id_, now in (after.statements or {}).items()}
    done = {id_: each for id_, each in done.items() if each.calls > 0}
    top = sorted(done.items(), key=lambda item: -item[1].total_ms)[:MOST_STATEMENTS]
    return dict(top), sum(each.total_ms for each in done.values())


def texts(ask: Ask, schema: str, ids: Sequence[int]) -> dict[int, str]:
    """The statements of these ids, scrubbed."""
    rows = ask(TEXTS.format(schema=schema), (list(ids),))
    return {id_: scrub_statement(text) for id_, text in rows}
