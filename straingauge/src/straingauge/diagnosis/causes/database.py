"""Causes in PostgreSQL's statistics: missing indexes, N+1, slow statements, locks, outages."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from straingauge.diagnosis.cause import MAX_CONFIDENCE, UNLIKELY, Evidence, cause, scale
from straingauge.diagnosis.database_time import limited, limited_where_missed, time_share, total_ms
from straingauge.diagnosis.location import Location
from straingauge.diagnosis.result_view import MOST, ResultView, listed, number
from straingauge.diagnosis.statement_endpoint import running_statement, statement_location
from straingauge.diagnosis.statement_loops import MIN_REPEATS, find_loop
from straingauge.diagnosis.statement_plans import (
    costliest_node,
    is_planned_without_index,
    lacking_index,
)
from straingauge.diagnosis.statements import (
    rows_per_call,
    shortened,
    statement_text,
    statements,
)
from straingauge.diagnosis.traced_statements import (
    confirmed_by_traces,
    repeated_in_traces,
    slow_in_traces,
)
from straingauge.number_text import count, plain

DATABASE = ("resources", "database")
AWAY = re.compile(
    r"could not connect|server closed the connection|terminating connection|connect call failed"
    r"|connection (was closed in|does not exist)|(database|postgres\w*)\W.*(unavailable|unreachable"
    r"|not reachable|connection refused|starting up|shutting down)|too many clients",
    re.IGNORECASE,
)
BIG_TABLE_ROWS = 1_000  # for smaller ones PostgreSQL rightly prefers a sequential scan
MIN_SCANS_PER_REQUEST = 0.05  # fewer are maintenance and statistics
SELECTIVE = 0.05  # at most this share of the rows read is needed
# Of the rows read. PostgreSQL takes a row found by an index to cost four times as much as one of a
# sequential scan (random_page_cost), so that no index helps a statement that returns more.
INDEX_HELPS = 0.25
CALL_MS = 2.0  # at most, for the round trip of a call, and for an ORM that reads its row
MIN_SAMPLES = 3  # fewer may lie between two outages

WAITING = ("pool_exhausted", "slow_endpoint", "slow_start", "slow_tail", "slowing_down")


@cause(
    title="an index is missing: a table is read as a whole",
    topics=("speed",),
    # A request that holds its connection for longer makes the pool too small.
    explains=(*WAITING, "endpoint_errors", "freeze", "slow_statement"),
    warns_from=0.9,
    charts=("plans", "tables", "statements"),
    advice=(
        "create an index on the columns the statement filters, joins and sorts by (CREATE INDEX"
        " CONCURRENTLY), and check with EXPLAIN that it is used",
        "compare the database's indexes with those the migrations should have made",
    ),
)
def missing_index(result: ResultView) -> Evidence | None:
    """Detect repeated sequential scans of a big table.

    PostgreSQL counts sequential scans and the rows they read for each table. An index avoids
    reading a thousand rows or more for a few results at nearly every request.
    """
    found = [missing for scan in _scans(result) if (missing := _missing(result, scan))]
    return max(found, key=lambda evidence: evidence.confidence, default=None)


@cause(
    title="one request runs the same statement repeatedly (N+1)",
    topics=("speed",),
    explains=(*WAITING, "cpu_bound", "event_loop_blocked", "slow_statement"),
    warns_from=0.9,
    charts=("statements", "traces", "parts"),
    advice=(
        "load the related rows with the first statement (a join, or selectinload / joinedload in"
        " SQLAlchemy), or with one statement for all of them",
    ),
)
def n_plus_one(result: ResultView) -> Evidence | None:
    """Detect a statement that runs several times per request.

    `pg_stat_statements` groups statements that differ only in their values. A request needs a
    statement once or a few times; one that runs once per row of a list is a query in a loop.
    """
    loop = find_loop(result, statements(result))
    if loop is None:
        return repeated_in_traces(result)
    worst = loop.statement
    calls = number(worst, "calls") or 0.0
    endpoint = loop.endpoints[0] if len(loop.endpoints) == 1 else None
    share = time_share(result, total_ms([worst], CALL_MS), endpoint)
    confidence = limited_where_missed(result, scale(loop.repeats, 3, 8), share)
    if (number(worst, "calls_per_request") or 0) < MIN_REPEATS:
        confidence = min(confidence, 0.85)  # it rests on equal counts
    if not confidence:
        return None
    of = f"request of {' and of '.join(loop.endpoints)}" if loop.endpoints else "request"
    evidence = Evidence(
        confidence,
        (
            f"{plain(loop.repeats, 3)} times per {of} ({count(calls, 'call')} for"
            f" {loop.requests:,.0f}):"
            f" {statement_text(worst)}",
        ),
        where=tuple(
            statement_location(result, worst, endpoint=each) for each in loop.endpoints or (None,)
        ),
    )
    return confirmed_by_traces(result, evidence, worst)


@cause(
    title="a statement is slow in the database",
    topics=("speed",),
    explains=WAITING,
    charts=("statements", "plans", "traces", "parts"),
    advice=(
        "run EXPLAIN (ANALYZE, BUFFERS) on the statement: look for sequential scans, sorts on disk"
        " and estimates that are far off",
    ),
)
def slow_statement(result: ResultView) -> Evidence | None:
    """Detect a statement with a high mean time and a large share of the database's time.

    A lookup by key takes well under a millisecond; a mean of 20 ms is long for a statement that
    every request waits for. Lock waits are included: then the lock is the cause.
    """
    slow = [s for s in statements(result) if (number(s, "mean_ms") or 0) >= 10]
    slow = [s for s in slow if (number(s, "share") or 0) >= 0.2]
    share = result.part_share("db")
    if not slow and not statements(result):
        return slow_in_traces(result)
    if not slow or (share is not None and share < 0.15):
        return None
    worst = max(slow, key=lambda s: number(s, "total_ms") or 0)
    mean_ms = number(worst, "mean_ms") or 0.0
    confidence = limited(scale(mean_ms, 20, 100), time_share(result, total_ms(slow)))
    if not confidence:
        return None
    evidence = [
        f"{mean_ms:,.0f} ms on average, {number(worst, 'share'):.0%} of all database time:"
        f" {statement_text(worst)}"
    ]
    if share is not None:
        evidence.append(f"the database takes {share:.0%} of the time of slow requests")
    node, index = costliest_node(result, worst)
    if node:
        evidence.insert(1, f"its plan {node}")
    where = replace(statement_location(result, worst), index=index)
    advice = (f"create it: {index}",) if index else ()
    return Evidence(confidence, tuple(evidence), advice, (where,))


@cause(
    title="statements wait for a lock that another transaction holds",
    topics=("speed", "errors"),
    explains=(*WAITING, "endpoint_errors", "freeze", "slow_statement"),
    charts=("waits", "database"),
    advice=(
        "keep transactions short: commit before slow work, never wait for a network within one",
        "set lock_timeout, and always lock several rows in the same order",
    ),
)
def lock_contention(result: ResultView) -> Evidence | None:
    """Detect connections that wait for locks of other transactions, often or for long.

    `pg_stat_activity` names the event a connection waits for; `Lock:` is a lock on rows or tables
    that another transaction holds until it ends, unlike the short internal locks (`LWLock:`). Only
    waits with a known holder count: the queue of NOTIFY takes such a lock for an instant, too.
    """
    waits = result.rows(*DATABASE, "waits")
    share = sum(number(w, "share") or 0 for w in waits if str(w.get("event")).startswith("Lock:"))
    blocked, longest_s = (result.figure(*DATABASE, "blocked", key) for key in ("peak", "longest_s"))
    deadlocks = result.figure(*DATABASE, "deadlocks")
    confidence = max(
        scale(share, 0.1, 0.4) if share >= 0.05 and blocked else 0.0,
        scale(longest_s, 0.5, 2) if longest_s >= 0.3 else 0.0,
        0.7 if deadlocks else 0.0,
    )
    if not confidence:
        return None
    evidence = []
    if blocked or longest_s:
        evidence.append(
            f"up to {count(blocked, 'connection')} waited for a lock, the longest"
            f" {plain(longest_s, 3)} s;"
            f" one waited in {share:.0%} of all samples of busy connections"
        )
    where: list[Location] = []
    for example in result.rows(*DATABASE, "blocked", "examples")[:1]:
        waiting, holding = str(example.get("waiting")), str(example.get("blocking"))
        evidence.append(f"waiting: {shortened(waiting)}; holding the lock: {shortened(holding)}")
        if (number(example, "idle_share") or 0.0) > MOST:
            evidence.append(
                "the transaction that holds it mostly runs no statement: it stays open while its"
                " client does something else"
            )
        if holding:  # unknown if it has ended, or belongs to another role
            where.append(running_statement(result, holding, lock="holds"))
        where.append(running_statement(result, waiting, lock="waits"))
    if deadlocks:
        evidence.append(f"{count(deadlocks, 'deadlock')}, each ended by an error")
    return Evidence(confidence, tuple(evidence), where=tuple(where))


@cause(
    title="the database cannot be reached",
    topics=("errors",),
    explains=(
        *WAITING,
        "connections_leaked",
        "endpoint_errors",
        "freeze",
        "jobs_not_draining",
        "slow_statement",
    ),
    charts=("database", "errors"),
    advice=(
        "check that PostgreSQL runs, its log, the address and password in use, and max_connections",
    ),
)
def database_away(result: ResultView) -> Evidence | None:
    """Detect errors that name an unreachable database, or an observer that could not reach it.

    The words are those of PostgreSQL, asyncpg and psycopg. If responses do not quote them, status
    503 from several endpoints at once points there, unless requests timed out at the pool, or the
    database answered the observer all the time.
    """
    words = result.error_matching(AWAY) or result.error_matching(
        re.compile("database", re.IGNORECASE)
    )
    missing = [
        one for one in map(str, listed(result.result, *DATABASE, "unavailable")) if AWAY.search(one)
    ]
    setup = str(result.reasons.get("setup_failed", {}).get("message", ""))
    if AWAY.search(setup):
        return Evidence(0.8, (setup,))
    unavailable = [name for name in result.endpoints if _is_unavailable(result, name)]
    samples, failed = (result.figure(*DATABASE, key) for key in ("samples", "failed_samples"))
    if failed >= max(1, 0.05 * samples) and result.errors:
        evidence = f"{failed:,.0f} of {count(samples, 'sample')} of the database failed"
        return Evidence(0.9, (evidence, *((words,) if words else ())))
    if missing and (words or result.errors):
        return Evidence(0.9, (missing[0], *((words,) if words else ())))
    if words and AWAY.search(words):
        return Evidence(0.85, (f"the errors say: {words}",))
    excluded = result.figure("resources", "pool", "timeouts") or (
        database_answered(result) and not words
    )
    if len(unavailable) >= 2 and not excluded:
        evidence = f"{', '.join(unavailable)} returned 503 (service unavailable)"
        return Evidence(0.7 if words else 0.5, (evidence,))
    return None


def database_answered(result: ResultView) -> bool:
    """Return true if the observer reached the database with every sample."""
    samples, failed = (result.figure(*DATABASE, key) for key in ("samples", "failed_samples"))
    return samples >= MIN_SAMPLES and not failed


def _missing(result: ResultView, scan: Mapping[str, Any]) -> Evidence | None:
    rows, scans = number(scan, "rows_per_seq_scan") or 0.0, number(scan, "seq_scans") or 0.0
    table = str(scan.get("table"))
    everything = statements(result)
    mentioned = [each for each in everything if _mentions(each, table)]
    lacking = lacking_index(result, table)
    if mentioned and not lacking:
        mentioned = [each for each in mentioned if rows_per_call(each) <= INDEX_HELPS * rows]
        if not mentioned:
            return None
    share = None
    if everything:  # without a mention, in a view or a function, any of them may read it
        share = time_share(result, total_ms(mentioned or everything))
    confidence = scale(rows, BIG_TABLE_ROWS, 5 * BIG_TABLE_ROWS)
    evidence = [
        f"{count(scans, 'sequential scan')} of table {table}, {count(rows, 'row')} each,"
        f" during {count(result.requests, 'request')}"
    ]
    if mentioned:
        statement = mentioned[0]
        returned = rows_per_call(statement)
        confidence += 0.1 if returned <= SELECTIVE * rows else 0.0
        evidence.append(
            f"about {count(returned, 'row is', 'rows are')} returned each time:"
            f" {statement_text(statement)}"
        )
    advice = f"look at the filters of statements on {table}: which column has no index?"
    read_by = mentioned[0] if mentioned else None
    if lacking:
        read_by = next((s for s in everything if s.get("query") == lacking.statement), read_by)
        confidence = MAX_CONFIDENCE if lacking.is_proven else confidence + 0.1
        evidence.insert(1, lacking.sentence)
        advice = f"create it: {lacking.create}"
    elif read_by and is_planned_without_index(result, read_by):
        evidence.append("its plan shows no index that would avoid it")
        confidence = min(confidence, UNLIKELY)
    confidence = limited_where_missed(result, confidence, share)
    if not confidence:
        return None
    where = statement_location(result, read_by, table=table)
    where = replace(where, index=lacking.create if lacking else None)
    return Evidence(confidence, tuple(evidence), (advice,), (where,))


def _scans(result: ResultView) -> Iterable[Mapping[str, Any]]:
    least = max(10, MIN_SCANS_PER_REQUEST * result.requests)
    for table in result.rows(*DATABASE, "tables"):
        scans, rows = number(table, "seq_scans") or 0, number(table, "rows_per_seq_scan") or 0
        if rows >= BIG_TABLE_ROWS and scans >= least:
            yield table


def _is_unavailable(result: ResultView, endpoint: str) -> bool:
    unavailable = result.figure("endpoints", endpoint, "status_codes", "503")
    return unavailable >= max(3, 0.01 * result.figure("endpoints", endpoint, "total_requests"))


def _mentions(statement: Mapping[str, Any], table: str) -> bool:
    """The statement names the table, with or without its schema."""
    return bool(re.search(rf"\b{re.escape(table.rpartition('.')[2])}\b", str(statement["query"])))
