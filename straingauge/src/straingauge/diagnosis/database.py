"""What the database's views give away: missing indexes, N+1, slow statements, locks, absence."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from straingauge.diagnosis.cause import Cause, Rules, make_cause, scale
from straingauge.diagnosis.result_view import ResultView, listed, number

DATABASE = ("resources", "database")
STATEMENT = re.compile(r"^\s*(with|select|insert|update|delete|merge)\b", re.IGNORECASE)
AWAY = re.compile(
    r"could not connect|server closed the connection|terminating connection|connect call failed"
    r"|connection (was closed in|does not exist)|(database|postgres\w*)\W.*(unavailable|unreachable"
    r"|not reachable|connection refused|starting up|shutting down)|too many clients",
    re.IGNORECASE,
)
BIG_TABLE_ROWS = 1_000  # below it PostgreSQL rightly prefers reading a table as a whole
SCANNED_BY_REQUESTS = 0.05  # scans by request: fewer are maintenance and statistics
WASTE = 0.05  # of the rows read are wanted, or fewer
SHOWN = 160  # characters of a statement


def missing_index(facts: ResultView) -> Cause | None:
    """Speaks when a big table is read from end to end again and again.

    PostgreSQL counts sequential scans and the rows they read for each table. Reading a thousand
    rows and more for a handful of results, in step with the requests, is what an index is for.
    """
    scans = sorted(_scans(facts), key=lambda scan: -(number(scan, "seq_rows_read") or 0))
    if not scans:
        return None
    worst = scans[0]
    rows, count = number(worst, "rows_per_seq_scan") or 0.0, number(worst, "seq_scans") or 0.0
    confidence = scale(rows, BIG_TABLE_ROWS, 5 * BIG_TABLE_ROWS)
    by = next((s for s in _statements(facts) if _names(s, str(worst.get("table")))), None)
    evidence = [
        f"table {worst.get('table')} was read from end to end {count:.0f} times,"
        f" {rows:.0f} rows each, during {facts.requests:.0f} requests"
    ]
    if by is not None:
        each = (number(by, "rows") or 0.0) / max(number(by, "calls") or 0.0, 1)
        confidence += 0.1 if each <= WASTE * rows else 0.0
        evidence.append(f"of which about {each:.0f} are wanted each time: {_shown(by)}")
    specific = f"look at the filters of statements on {worst.get('table')}: which has no index?"
    return make_cause("missing_index", confidence, tuple(evidence), (specific,))


def n_plus_one(facts: ResultView) -> Cause | None:
    """Speaks when one statement runs several times for each request.

    `pg_stat_statements` joins statements that differ in their values only. One request needs a
    statement once, or a few times; what runs as often as a list has rows is a query in a loop.
    """
    often = [s for s in _statements(facts) if (number(s, "calls_per_request") or 0) >= 3]
    if not often or facts.requests < 20:
        return None
    worst = max(often, key=lambda s: number(s, "calls_per_request") or 0)
    each = number(worst, "calls_per_request") or 0.0
    evidence = (
        f"{each:.1f} times for each request ({number(worst, 'calls') or 0:.0f} calls for"
        f" {facts.requests:.0f} requests): {_shown(worst)}",
    )
    return make_cause("n_plus_one", scale(each, 3, 8), evidence)


def slow_statement(facts: ResultView) -> Cause | None:
    """Speaks when one statement takes long each time and most of the database's time.

    A lookup by key takes well under a millisecond; 20 ms on average are a lot for a statement that
    every request waits for. Time spent waiting for locks is in it: then the lock is the cause.
    """
    slow = [s for s in _statements(facts) if (number(s, "mean_ms") or 0) >= 10]
    slow = [s for s in slow if (number(s, "share") or 0) >= 0.2]
    share = facts.part_share("db")
    if not slow or (share is not None and share < 0.15):
        return None
    worst = max(slow, key=lambda s: number(s, "total_ms") or 0)
    mean_ms = number(worst, "mean_ms") or 0.0
    evidence = [f"{mean_ms:.0f} ms on average, {number(worst, 'share'):.0%} of all database time:"]
    evidence = [f"{evidence[0]} {_shown(worst)}"]
    if share is not None:
        evidence.append(f"the database takes {share:.0%} of the time of slow requests")
    return make_cause("slow_statement", scale(mean_ms, 20, 100), tuple(evidence))


def lock_contention(facts: ResultView) -> Cause | None:
    """Speaks when connections wait for locks of other transactions, often or for long.

    `pg_stat_activity` names what a connection waits for; `Lock:` is a lock on rows or tables that
    another transaction holds until it ends, unlike the short internal locks (`LWLock:`). Only where
    somebody was seen to hold it: the queue of NOTIFY has such a lock, too, for an instant.
    """
    waits = facts.rows(*DATABASE, "waits")
    share = sum(number(w, "share") or 0 for w in waits if str(w.get("event")).startswith("Lock:"))
    blocked, longest_s = (facts.figure(*DATABASE, "blocked", key) for key in ("peak", "longest_s"))
    deadlocks = facts.figure(*DATABASE, "deadlocks")
    confidence = max(
        scale(share, 0.1, 0.4) if share >= 0.05 and blocked else 0.0,
        scale(longest_s, 0.5, 2) if longest_s >= 0.3 else 0.0,
        0.7 if deadlocks else 0.0,
    )
    if not confidence:
        return None
    evidence = [
        f"up to {blocked:.0f} connections waited for a lock, the longest {longest_s:.1f} s;"
        f" {share:.0%} of all looks at busy connections saw one waiting"
    ]
    for example in facts.rows(*DATABASE, "blocked", "examples")[:1]:
        waiting, holding = _sql(example.get("waiting")), _sql(example.get("holding"))
        evidence.append(f"waiting: {waiting}; holding the lock: {holding}")
    if deadlocks:
        evidence.append(f"{deadlocks:.0f} deadlocks, each ended by an error")
    return make_cause("lock_contention", confidence, tuple(evidence))


def database_away(facts: ResultView) -> Cause | None:
    """Speaks when errors say that the database could not be reached, or the observer could not.

    The words are PostgreSQL's, asyncpg's and psycopg's. Where answers do not quote them, 503 from
    several endpoints at once points there, unless the pool itself says that it was too small.
    """
    words = facts.said(AWAY) or facts.said(re.compile("database", re.IGNORECASE))
    missing = [
        one for one in map(str, listed(facts.result, *DATABASE, "missing")) if AWAY.search(one)
    ]
    setup = str(facts.reasons.get("setup_failed", {}).get("message", ""))
    if AWAY.search(setup):
        return make_cause("database_away", 0.8, (setup,))
    unavailable = [name for name in facts.endpoints if _unavailable(facts, name)]
    looks, unanswered = (facts.figure(*DATABASE, key) for key in ("looks", "unanswered"))
    if unanswered >= max(1, 0.05 * looks) and facts.errors:
        evidence = f"the database did not answer {unanswered:.0f} of {looks:.0f} looks at it"
        return make_cause("database_away", 0.9, (evidence, *((words,) if words else ())))
    if missing and (words or facts.errors):
        return make_cause("database_away", 0.9, (missing[0], *((words,) if words else ())))
    if words and AWAY.search(words):
        return make_cause("database_away", 0.85, (f"the errors say: {words}",))
    if len(unavailable) >= 2 and not facts.figure("resources", "pool", "timeouts"):
        evidence = f"{', '.join(unavailable)} answered 503 (service unavailable)"
        return make_cause("database_away", 0.7 if words else 0.5, (evidence,))
    return None


RULES: Rules = {
    "missing_index": missing_index,
    "n_plus_one": n_plus_one,
    "slow_statement": slow_statement,
    "lock_contention": lock_contention,
    "database_away": database_away,
}


def _scans(facts: ResultView) -> Iterable[Mapping[str, Any]]:
    for table in facts.rows(*DATABASE, "tables"):
        scans, rows = number(table, "seq_scans") or 0, number(table, "rows_per_seq_scan") or 0
        if rows >= BIG_TABLE_ROWS and scans >= max(10, SCANNED_BY_REQUESTS * facts.requests):
            yield table


def _statements(facts: ResultView) -> list[Mapping[str, Any]]:
    """Of the load: no BEGIN, SET and the like, which are many and cost nothing."""
    rows = facts.rows(*DATABASE, "statements")
    return [row for row in rows if STATEMENT.search(str(row.get("query")))]


def _unavailable(facts: ResultView, endpoint: str) -> bool:
    answered = facts.figure("endpoints", endpoint, "status_codes", "503")
    return answered >= max(3, 0.01 * facts.figure("endpoints", endpoint, "total_requests"))


def _names(statement: Mapping[str, Any], table: str) -> bool:
    """Whether a statement is about a table; a schema before its name may be left out."""
    return bool(re.search(rf"\b{re.escape(table.rpartition('.')[2])}\b", str(statement["query"])))


def _shown(statement: Mapping[str, Any]) -> str:
    return _sql(statement.get("query"))


def _sql(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 3]}..."
