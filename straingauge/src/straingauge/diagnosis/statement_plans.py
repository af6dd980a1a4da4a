"""Plans of statements in a result, as evidence."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from straingauge.diagnosis.result_view import ResultView, at, number

PROVEN = 0.5  # of the time, at most, that a statement takes with an index that explains its cost
MAX_CHARS = 240


class LackingIndex(NamedTuple):
    """An index that a statement's plan lacks.

    Attributes:
        statement: The statement, as `pg_stat_statements` has it.
        create: The statement that creates the index.
        sentence: Description with the times without and with it, if it was tried.
        is_proven: The statement was much faster with it.
    """

    statement: str
    create: str
    sentence: str
    is_proven: bool = False


def lacking_index(result: ResultView, table: str) -> LackingIndex | None:
    """Return the index on a table that a plan lacks; the one that saves most time if tried."""
    found = [
        (number(plan, "index", "before_ms") or 0.0, plan)
        for plan in result.rows("plans", "statements")
        if at(plan, "index", "table") == table
    ]
    if not found:
        return None
    before_ms, plan = max(found, key=lambda each: each[0])
    after_ms = number(plan, "index", "after_ms")
    create = str(at(plan, "index", "create"))
    if not before_ms or after_ms is None:
        return LackingIndex(str(plan.get("statement")), create, f"it needs {create}")
    sentence = f"{_ms(before_ms)} ms -> {_ms(after_ms)} ms when tried with {create}"
    is_proven = after_ms <= PROVEN * before_ms
    return LackingIndex(str(plan.get("statement")), create, sentence, is_proven)


def costliest_node(result: ResultView, statement: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the costliest part of a statement's plan, and the index that would avoid it.

    The first is empty without a plan or without such a part.
    """
    for plan in result.rows("plans", "statements"):
        nodes = plan.get("nodes") or []
        if plan.get("statement") == statement.get("query") and nodes:
            text, create = str(nodes[0].get("text")), at(plan, "index", "create")
            shortened = text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 3]}..."
            return shortened, None if create is None else str(create)
    return "", None


def is_planned_without_index(result: ResultView, statement: Mapping[str, Any]) -> bool:
    """Return true if the plan of a statement only sorts: it filters no table that it reads.

    A filter that no proposed index serves (a pattern, a function) may still need one.
    """
    for plan in result.rows("plans", "statements"):
        if plan.get("statement") == statement.get("query") and not plan.get("index"):
            kinds = {at(node, "kind") for node in plan.get("nodes") or []}
            return kinds <= {"sort"} and bool(plan.get("plan"))
    return False


def _ms(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
