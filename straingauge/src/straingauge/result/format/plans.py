"""Plans of slow statements in a result; `schemas/result-1.schema.json` describes each field."""

from typing import Literal, TypedDict

NodeKind = Literal["sequential_scan", "join_without_index", "nested_loop", "sort"]


class CostlyNode(TypedDict):
    """A part of a plan that reads, sorts or compares many rows for few results."""

    kind: NodeKind
    table: str | None
    rows: float
    text: str


class ProposedIndex(TypedDict):
    """An index that a plan lacks, and the statement's time without and with it in ms.

    The times are null unless the index was really created, which is done in databases only that
    straingauge started itself.
    """

    table: str
    create: str
    before_ms: float | None
    after_ms: float | None


class StatementPlan(TypedDict):
    """The plan that PostgreSQL has for a statement, whatever its values."""

    statement: str
    nodes: list[CostlyNode]
    index: ProposedIndex | None
    plan: list[str]


class Plans(TypedDict):
    """Plans of the statements that took most time, and what could not be planned."""

    statements: list[StatementPlan]
    notes: list[str]
