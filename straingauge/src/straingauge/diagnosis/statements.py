"""Statements of a result, as the rules on the database read them."""

import re
from collections.abc import Mapping
from typing import Any

from straingauge.diagnosis.result_view import ResultView, number

_STATEMENT = re.compile(r"^\s*(with|select|insert|update|delete|merge)\b", re.IGNORECASE)
_MAX_CHARS = 160


def statements(result: ResultView) -> list[Mapping[str, Any]]:
    """Return the statements without BEGIN, SET and the like, which are many and cost nothing."""
    rows = result.rows("resources", "database", "statements")
    return [row for row in rows if _STATEMENT.search(str(row.get("query")))]


def rows_per_call(statement: Mapping[str, Any]) -> float:
    """Return how many rows a statement returns or changes on average."""
    return (number(statement, "rows") or 0.0) / max(number(statement, "calls") or 0.0, 1.0)


def statement_text(statement: Mapping[str, Any]) -> str:
    """Return a statement on one line, shortened."""
    return shortened(statement.get("query"))


def shortened(sql: object) -> str:
    """Return SQL on one line, shortened."""
    line = " ".join(str(sql).split())
    return line if len(line) <= _MAX_CHARS else f"{line[: _MAX_CHARS - 3]}..."
