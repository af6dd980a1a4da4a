"""Ask PostgreSQL for the plans of statements, without running them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import psycopg
from psycopg import errors

from straingauge.number_text import count
from straingauge.observe.postgres_activity import MARK, scrub_statement
from straingauge.observe.postgres_connection import SETTINGS, PostgresConnection, Rows
from straingauge.observe.postgres_counters import TEXTS, WHERE_EXTENSION
from straingauge.plans import catalog_query
from straingauge.plans.catalog import Catalog
from straingauge.plans.costly_nodes import costly_nodes
from straingauge.plans.index import Index
from straingauge.plans.plan_node import PlanNode
from straingauge.plans.statement import MOST_ATTEMPTS, PlannableStatement
from straingauge.result.format.plans import StatementPlan
from straingauge.result.format.resources import Statement

OLDEST = 160000  # the first version with EXPLAIN (GENERIC_PLAN)
WITHIN_S = 10.0
MOST_STATEMENTS = 8
MIN_SHARE = 0.02  # of the time of all statements
_EXPLAIN = f"EXPLAIN (GENERIC_PLAN, VERBOSE, FORMAT JSON) {MARK} "
_TYPE_UNKNOWN = (
    errors.IndeterminateDatatype,
    errors.AmbiguousFunction,
    errors.UndefinedFunction,
    errors.DatatypeMismatch,
    errors.CannotCoerce,
    errors.IndeterminateCollation,
)


class QueryConnection(Protocol):
    """Runs single statements in read-only transactions; see `PostgresConnection`."""

    version: int
    user: str

    def query(self, statement: str) -> Rows:
        """Run a statement, and return its rows."""


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """A plan that was read.

    Attributes:
        statement: The statement, as it was planned.
        plan: The plan.
        described: What the result file stores.
        index: The index that it lacks, if any.
        catalog: The tables that it reads.
    """

    statement: PlannableStatement
    plan: PlanNode
    described: StatementPlan
    index: Index | None
    catalog: Catalog


@dataclass(frozen=True, slots=True)
class ReadPlans:
    """Plans that were read, and what could not be planned."""

    plans: Sequence[ReadPlan] = ()
    notes: list[str] = field(default_factory=list)


def read_plans(url: str, statements: Iterable[Statement]) -> ReadPlans:
    """Read the plans of the statements that took most time.

    Every query is a read-only transaction with a time limit, and leaves no setting behind.

    Args:
        url: The database.
        statements: Statements of a result.
    """
    try:
        with closing(PostgresConnection(url)) as connection:
            return plans_of(connection, worth_planning(statements))
    except psycopg.Error as error:
        return ReadPlans(notes=[f"no plans of statements: {first_line(error)}"])


def worth_planning(statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements that took a share of the database's time, the longest first."""
    found = [each for each in statements if each["share"] >= MIN_SHARE and each.get("id")]
    return sorted(found, key=lambda each: -each["total_ms"])[:MOST_STATEMENTS]


def plans_of(connection: QueryConnection, statements: Sequence[Statement]) -> ReadPlans:
    """Read the plans of these statements over a connection."""
    if not statements:
        return ReadPlans()
    if connection.version < OLDEST:
        version = connection.version // 10000
        return ReadPlans(notes=[f"plans of statements need PostgreSQL 16; this is {version}"])
    texts = _texts(connection, [each["id"] for each in statements])
    give_up_s = time.monotonic() + WITHIN_S
    planned: list[tuple[Statement, PlannableStatement, PlanNode]] = []
    failed: dict[str, int] = {}
    for each in statements:
        if time.monotonic() > give_up_s:
            failed[f"there was no time left after {WITHIN_S:g} s"] = 1
            break
        text = texts.get(each["id"], "")
        outcome = _explain(connection, PlannableStatement.parse(text))
        if isinstance(outcome, str):
            failed[outcome] = failed.get(outcome, 0) + 1
        elif outcome is not None:
            planned.append((each, *outcome))
    catalog = _catalog(connection, [plan for _, _, plan in planned])
    plans = [_read(each["query"], text, plan, catalog) for each, text, plan in planned]
    return ReadPlans(plans, [_not_planned(count, why) for why, count in failed.items()])


def first_line(error: psycopg.Error) -> str:
    """Return the first line of an error, without values of the database."""
    lines = str(error).strip().splitlines()
    return scrub_statement(lines[0]) if lines else type(error).__name__


def _texts(connection: QueryConnection, ids: Sequence[str]) -> Mapping[str, str]:
    """Return whole statements by query id."""
    schemas = connection.query(WHERE_EXTENSION)
    if not schemas:
        return {}
    wanted = "{" + ",".join(str(int(each)) for each in ids) + "}"
    rows = connection.query(TEXTS.format(schema=schemas[0][0], ids=wanted))
    return {str(id_): str(text) for id_, text in rows}


def _explain(
    connection: QueryConnection, statement: PlannableStatement | None
) -> tuple[PlannableStatement, PlanNode] | str | None:
    """Return the plan with the statement as it was planned; or why there is none.

    None stands for a statement that has no plan, such as COMMIT.
    """
    reason = ""
    for _ in range(MOST_ATTEMPTS):
        if statement is None:
            break
        try:
            rows = connection.query(_EXPLAIN + statement.text)
        except _TYPE_UNKNOWN as error:
            reason = reason or first_line(error)
            statement = statement.with_next_type(str(error), _position(error))
        except errors.InsufficientPrivilege as error:
            return f"{first_line(error)}: GRANT SELECT ON it TO {connection.user}"
        except psycopg.Error as error:
            if error.sqlstate is None:  # the connection is lost
                raise
            return first_line(error)
        else:
            return statement, PlanNode(rows[0][0][0]["Plan"])
    return reason or None


def _position(error: psycopg.Error) -> int | None:
    """Return the place of an error in the statement, which other words precede in the message."""
    place = error.diag.statement_position
    return int(place) - len(SETTINGS) - len(_EXPLAIN) if place else None


def _catalog(connection: QueryConnection, plans: Iterable[PlanNode]) -> Catalog:
    names = {node.relation for plan in plans for node in plan.walk() if node.relation}
    if not names:
        return Catalog({}, 0.0)
    rows = connection.query(catalog_query.tables(names))
    return catalog_query.catalog(rows, str(connection.query(catalog_query.WORK_MEMORY)[0][0]))


def _read(text: str, statement: PlannableStatement, plan: PlanNode, catalog: Catalog) -> ReadPlan:
    costly = costly_nodes(plan, catalog)
    index = next((each.index for each in costly if each.index), None)
    described: StatementPlan = {
        "statement": text,
        "nodes": [{**each.node, "text": scrub_statement(each.node["text"])} for each in costly],
        "index": None
        if index is None
        else {
            "table": index.table.label,
            "create": index.create(),
            "before_ms": None,
            "after_ms": None,
        },
        "plan": [scrub_statement_line(line) for line in plan.lines()],
    }
    return ReadPlan(statement, plan, described, index, catalog)


def scrub_statement_line(line: str) -> str:
    """Return a line of a plan without its literals, and with its indentation."""
    return line[: len(line) - len(line.lstrip())] + scrub_statement(line)


def _not_planned(statements: int, why: str) -> str:
    many = count(statements, "statement")
    return f"no plan of {many}: {why}"
