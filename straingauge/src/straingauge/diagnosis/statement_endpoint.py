"""The endpoint that runs a statement, as far as their counts tell."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from straingauge.diagnosis import traced
from straingauge.diagnosis.call_counts import sole_endpoint
from straingauge.diagnosis.location import StatementLocation
from straingauge.diagnosis.result_view import ResultView, number


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


def running_statement(
    result: ResultView, text: str, *, lock: Literal["holds", "waits"] | None = None
) -> StatementLocation:
    """Return the location of a statement of `pg_stat_activity`.

    Args:
        result: The result.
        text: The statement.
        lock: Whether it holds a lock or waits for it.
    """
    key = traced.statement_key(text)
    counted = (
        row
        for row in result.rows("resources", "database", "statements")
        if traced.statement_key(str(row.get("query"))) == key
    )
    found = statement_location(result, next(counted, {"query": text}))
    return replace(found, lock=lock)


def last_statements(result: ResultView) -> tuple[StatementLocation, ...]:
    """Return the last statement of the transaction that has been idle for longest, if any."""
    rows = result.rows("resources", "database", "idle_in_transaction")
    if not rows:
        return ()
    return (running_statement(result, str(rows[0].get("statement"))),)


def endpoint_of(result: ResultView, statement: Mapping[str, Any]) -> str | None:
    """Return the only endpoint whose requests can have run a statement, by its calls."""
    calls, total_ms = (number(statement, key) or 0.0 for key in ("calls", "total_ms"))
    found = sole_endpoint(result, calls, total_ms)
    return found.name if found else None
