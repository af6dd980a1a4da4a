"""The nodes of a plan, as `EXPLAIN (FORMAT JSON, VERBOSE)` describes them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from straingauge.plans.expression import Condition, conditions

MOST_LINES = 40
MOST_CHARS = 200
_FILTERS = ("Index Cond", "Recheck Cond", "Filter")
_JOINS = ("Hash Cond", "Merge Cond", "Join Filter")
_SHOWN = (*_FILTERS, *_JOINS, "Sort Key")


@dataclass(frozen=True)
class PlanNode:
    """One node.

    Attributes:
        content: The object of the JSON document.
        parent: The node above it; None at the top.
    """

    content: Mapping[str, Any]
    parent: "PlanNode | None" = None

    @cached_property
    def children(self) -> tuple["PlanNode", ...]:
        """The nodes below it."""
        return tuple(PlanNode(each, self) for each in self.content.get("Plans", ()))

    @property
    def kind(self) -> str:
        """Type of the node, such as "Seq Scan"."""
        return str(self.content.get("Node Type", ""))

    @property
    def rows(self) -> float:
        """Estimated number of rows that it returns, each time it runs."""
        return float(self.content.get("Plan Rows", 0))

    @property
    def width_bytes(self) -> float:
        """Estimated average size of such a row."""
        return float(self.content.get("Plan Width", 0))

    @property
    def relation(self) -> tuple[str, str] | None:
        """Schema and name of the table that it reads; None if it reads no table."""
        name, schema = self.content.get("Relation Name"), self.content.get("Schema")
        if name is None or schema is None or self.kind == "ModifyTable":
            return None
        return str(schema), str(name)

    @property
    def alias(self) -> str:
        """Alias of that table, quoted as PostgreSQL quotes it in conditions."""
        alias = str(self.content.get("Alias", ""))
        return alias if alias.isidentifier() and alias == alias.lower() else quoted(alias)

    @cached_property
    def filters(self) -> tuple[Condition, ...]:
        """Conditions on single columns that its rows fulfil."""
        return self._conditions(_FILTERS)

    @cached_property
    def joins(self) -> tuple[Condition, ...]:
        """Conditions by which it joins rows."""
        return self._conditions(_JOINS)

    @property
    def sort_key(self) -> tuple[str, ...]:
        """The expressions by which it sorts."""
        return tuple(map(str, self.content.get("Sort Key", ())))

    def walk(self) -> Iterator["PlanNode"]:
        """Yield this node and all below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()

    def above(self) -> Iterator["PlanNode"]:
        """Yield the nodes above it, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def lines(self) -> list[str]:
        """Return the plan as indented lines; at most `MOST_LINES`, each of `MOST_CHARS`."""
        found = [f"{'  ' * each.depth}{each.described()}"[:MOST_CHARS] for each in self.walk()]
        return found if len(found) <= MOST_LINES else [*found[: MOST_LINES - 1], "..."]

    @property
    def depth(self) -> int:
        """Number of nodes above it."""
        return len(list(self.above()))

    def described(self) -> str:
        """Return the node with its conditions on one line."""
        relation = self.relation
        on = f" on {'.'.join(relation)}" if relation else ""
        if index := self.content.get("Index Name"):
            on = f" using {index}{on}"
        details = [
            f"{name}: {', '.join(value) if isinstance(value, list) else value}"
            for name in _SHOWN
            if (value := self.content.get(name))
        ]
        return "; ".join([f"{self.kind}{on} (rows={self.rows:.0f})", *details])

    def _conditions(self, names: tuple[str, ...]) -> tuple[Condition, ...]:
        texts = [str(self.content[name]) for name in names if name in self.content]
        return tuple(each for text in texts for each in conditions(text))


def quoted(name: str) -> str:
    """Return an identifier in quotes."""
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
