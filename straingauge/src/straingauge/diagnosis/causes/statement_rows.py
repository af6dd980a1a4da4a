"""Statements that return or sort more rows than a request needs."""

import re

from straingauge.diagnosis.cause import UNLIKELY, Evidence, cause, scale
from straingauge.diagnosis.database_time import limited, time_share, total_ms
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.statement_endpoint import statement_location
from straingauge.diagnosis.statement_plans import costliest_node
from straingauge.diagnosis.statements import rows_per_call, statement_text, statements
from straingauge.number_text import count, plain

DATABASE = ("resources", "database")
READ = re.compile(r"\s*(with|select)\b", re.IGNORECASE)  # of others, the rows are those changed
WAITING = ("pool_exhausted", "slow_endpoint", "slow_start", "slow_tail", "slowing_down")
# The longest pages of public APIs have about a hundred entries; ten times that is no page.
MANY_ROWS, CERTAINLY_MANY = 1_000, 5_000
ROW_MS = 0.02  # at most, to read, convert and encode one row in an interpreted language
MIN_FILES = 10  # fewer are maintenance
SOME_CALLS, MOST_CALLS = 0.25, 0.75  # of a statement, that write temporary files
MAIN = 0.5  # of the database's time: a statement that takes less may not be what sorts


@cause(
    title="a statement returns thousands of rows",
    topics=("speed",),
    # Each row is read, converted and encoded, by code that lets no other request run meanwhile.
    explains=(*WAITING, "cpu_bound", "event_loop_blocked", "missing_index", "slow_statement"),
    charts=("statements", "latency", "cpu"),
    advice=(
        "return pages (LIMIT with a condition on the last key), and only the columns that are used",
    ),
)
def large_result(result: ResultView) -> Evidence | None:
    """Detect a statement whose calls return far more rows than a page shows.

    It accounts for no more than the time of its calls and of handling each of its rows.
    """
    reads = [each for each in statements(result) if READ.match(str(each.get("query")))]
    large = [each for each in reads if rows_per_call(each) >= MANY_ROWS]
    if not large:
        return None
    worst = max(large, key=lambda each: number(each, "rows") or 0.0)
    rows = rows_per_call(worst)
    time_ms = total_ms([worst]) + ROW_MS * (number(worst, "rows") or 0.0)
    confidence = limited(scale(rows, MANY_ROWS / 2, CERTAINLY_MANY), time_share(result, time_ms))
    if not confidence:
        return None
    evidence = f"{count(rows, 'row is', 'rows are')} returned by each call: {statement_text(worst)}"
    return Evidence(confidence, (evidence,), where=(statement_location(result, worst),))


@cause(
    title="a statement sorts or joins more than fits into memory",
    topics=("speed",),
    explains=(*WAITING, "missing_index", "slow_statement"),
    charts=("plans", "database", "statements"),
    advice=(
        "sort fewer rows or fewer columns (filter first, fetch wide columns afterwards), or raise"
        " work_mem for this statement: SET LOCAL work_mem",
    ),
)
def spilled_to_disk(result: ResultView) -> Evidence | None:
    """Detect a statement whose calls write temporary files.

    PostgreSQL writes them where a sort or a hash needs more than `work_mem`. They are counted for
    the whole database: so only a statement that takes most of its time is held to write them. If
    its plan lacks an index, that avoids the sort.
    """
    files, written = (result.figure(*DATABASE, key) for key in ("temp_files", "temp_bytes"))
    found = statements(result)
    if files < MIN_FILES or not found:
        return None
    main = max(found, key=lambda each: number(each, "total_ms") or 0.0)
    calls = number(main, "calls") or 0.0
    if (number(main, "share") or 0.0) < MAIN or not calls:
        return None
    confidence = limited(
        scale(files / calls, SOME_CALLS, MOST_CALLS), time_share(result, total_ms([main]))
    )
    node, index = costliest_node(result, main)
    if index:
        confidence = min(confidence, UNLIKELY)
    if not confidence:
        return None
    evidence = [
        f"{plain(written / 1e6, 3)} MB were written to {count(files, 'temporary file')}, with"
        f" {count(calls, 'call')} of {statement_text(main)}"
    ]
    if node:
        evidence.append(f"its plan {node}")
    return Evidence(confidence, tuple(evidence), where=(statement_location(result, main),))
