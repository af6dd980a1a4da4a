"""The `database` section of a result: PostgreSQL during the load."""

from collections.abc import Sequence

from straingauge.observe import DatabaseStats, Sample
from straingauge.observe.postgres_counters import Table
from straingauge.result.assembly.sampling import highest, values, whole
from straingauge.result.format.resources import (
    Database,
    DatabaseTotals,
    Statement,
    TableActivity,
    Wait,
)

MAX_TABLES = 20


def database(
    stats: DatabaseStats | None, samples: Sequence[Sample], requests: int
) -> Database | None:
    """Compose the section; None without a database.

    Counters are the difference between the end and the start of the load. A counter that was reset
    in between counts from 0.
    """
    if stats is None:
        return None
    reachable = values(samples, "db_reachable")
    return {
        "unavailable": list(stats.unavailable),
        "samples": len(reachable),
        "failed_samples": reachable.count(0.0),
        "connections": {
            "max": stats.max_connections,
            "peak": whole(highest(samples, "db_connections")),
            "server_peak": whole(highest(samples, "db_server_connections")),
            "active_peak": whole(highest(samples, "db_active")),
            "idle_in_transaction_peak": whole(highest(samples, "db_idle_in_transaction")),
            "idle_in_transaction_longest_s": highest(samples, "db_idle_in_transaction_s"),
        },
        "waits": _waits(stats),
        "blocked": {
            "peak": whole(highest(samples, "db_blocked")),
            "longest_s": highest(samples, "db_blocked_s"),
            "examples": [
                {
                    "waiting": each.waiting,
                    "blocking": each.blocking,
                    "idle_share": round(each.idle / each.samples, 3) if each.samples else 0.0,
                }
                for each in stats.blocked
            ],
        },
        "idle_in_transaction": [
            {
                "statement": each.statement,
                "connections": whole(each.connections),
                "longest_s": round(each.longest_s, 3),
            }
            for each in sorted(stats.idle_transactions, key=lambda each: -each.longest_s)
        ],
        "statements": _statements(stats, requests),
        "tables": _tables(stats),
        **_totals(stats),
    }


def _waits(stats: DatabaseStats) -> list[Wait]:
    ordered = sorted(stats.waits.items(), key=lambda item: -item[1].total)
    return [
        {"event": event, "share": round(wait.total / stats.active, 4), "peak": whole(wait.peak)}
        for event, wait in ordered
    ]


def _statements(stats: DatabaseStats, requests: int) -> list[Statement] | None:
    if stats.statements is None:
        return None
    return [
        {
            "id": str(id_),
            "query": stats.texts.get(id_, ""),
            "calls": whole(each.calls),
            "total_ms": round(each.total_ms, 6),
            "mean_ms": round(each.total_ms / each.calls, 6),
            "rows": whole(each.rows),
            "calls_per_request": round(each.calls / requests, 4) if requests else None,
            "share": round(each.total_ms / stats.statements_ms, 4) if stats.statements_ms else 0.0,
        }
        for id_, each in stats.statements.items()
    ]


def _tables(stats: DatabaseStats) -> list[TableActivity] | None:
    """Return the tables that were used, those with most sequentially read rows first."""
    before, after = stats.before, stats.after
    if before is None or after is None or before.tables is None or after.tables is None:
        return None
    found = [_touched(now, before.tables.get(id_)) for id_, now in after.tables.items()]
    touched = [each for each in found if any(each[2:])]
    touched.sort(key=lambda each: (-each.seq_rows_read, -each.index_scans))
    return [
        {
            "table": each.name,
            "rows": whole(each.live),
            "seq_scans": whole(each.seq_scans),
            "seq_rows_read": whole(each.seq_rows_read),
            "rows_per_seq_scan": _ratio(each.seq_rows_read, each.seq_scans),
            "index_scans": whole(each.index_scans),
            "inserted": whole(each.inserted),
            "updated": whole(each.updated),
            "deleted": whole(each.deleted),
        }
        for each in touched[:MAX_TABLES]
    ]


def _touched(now: Table, before: Table | None) -> Table:
    """Return the increase of a table's counters."""
    if before is None:
        return now
    counts = (_more(a, b) for a, b in zip(now[2:], before[2:], strict=True))
    return Table(now.name, now.live, *counts)


def _totals(stats: DatabaseStats) -> DatabaseTotals:
    before, after = stats.before and stats.before.database, stats.after and stats.after.database
    grown: dict[str, float] = {}
    if before and after:
        grown = {name: _more(now, before[name]) for name, now in after.items()}
    hit, read = grown.get("blocks_hit", 0.0), grown.get("blocks_read", 0.0)
    return {
        "cache_hit_percent": _ratio(100 * hit, hit + read),
        "commits": whole(grown.get("commits")),
        "rollbacks": whole(grown.get("rollbacks")),
        "deadlocks": whole(grown.get("deadlocks")),
        "temp_files": whole(grown.get("temp_files")),
        "temp_bytes": whole(grown.get("temp_bytes")),
        "checkpoints": whole(grown.get("checkpoints")),
        "sessions": whole(grown.get("sessions")),
    }


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 2) if whole else None


def _more(now: float, before: float) -> float:
    return now - before if now >= before else max(now, 0.0)
