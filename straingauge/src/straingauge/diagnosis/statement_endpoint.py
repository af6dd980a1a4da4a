"""The endpoint that runs a statement, as far as their counts tell."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Final

from straingauge.diagnosis import traced
from straingauge.diagnosis.location import StatementLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.statement_loops import MIN_REQUESTS, is_same_count

MAX_ENDPOINTS: Final = 30  # with more, some sum of counts is near any number of calls
MAX_SUM: Final = 3  # endpoints that may share a statement, such as the look-up of a session


def statement_location(
    result: ResultView,
    statement: Mapping[str, Any] | None,
    *,
    endpoint: str | None = None,
    table: str | None = None,
) -> StatementLocation:
    """Return the location of a statement of `pg_stat_statements`.

    Args:
        result: The result.
        statement: The statement; None if only its table is known.
        endpoint: The endpoint, if it is known; else that which traces or the counts tell.
        table: The table it reads, if known.
    """
    if statement is None:
        return StatementLocation(endpoint=endpoint, table=table)
    text = statement.get("query")
    found = endpoint or traced.endpoint_of(result, text) or endpoint_of(result, statement)
    return StatementLocation(str(text), found, table=table)


def last_statements(result: ResultView) -> tuple[StatementLocation, ...]:
    """Return the last statement of the transaction that has been idle for longest, if any."""
    rows = result.rows("resources", "database", "idle_in_transaction")
    if not rows:
        return ()
    text = str(rows[0].get("statement"))
    counted = (
        row
        for row in result.rows("resources", "database", "statements")
        if " ".join(str(row.get("query")).split()) == text
    )
    return (statement_location(result, next(counted, {"query": text})),)


def endpoint_of(result: ResultView, statement: Mapping[str, Any]) -> str | None:
    """Return the only endpoint that had as many requests as the statement has calls.

    None if other endpoints together had as many requests, so that the statement may be theirs.
    """
    calls = number(statement, "calls") or 0.0
    counts = {
        name: number(each, "total_requests") or 0.0 for name, each in result.endpoints.items()
    }
    if calls < MIN_REQUESTS or len(counts) > MAX_ENDPOINTS:
        return None
    names = [name for name, count in counts.items() if is_same_count(calls, count)]
    if len(names) != 1:
        return None
    others = [count for name, count in counts.items() if name != names[0] and count]
    sums = (sum(few) for size in range(2, MAX_SUM + 1) for few in combinations(others, size))
    return None if any(is_same_count(calls, each) for each in sums) else names[0]
