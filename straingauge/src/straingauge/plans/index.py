"""An index that a statement lacks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from straingauge.plans.catalog import TableInfo
from straingauge.plans.expression import Column, Condition, column_of

NOT_ORDERED = ("json", "xml", "point", "box", "circle", "polygon")  # types without an order
_DIRECTIONS = (" DESC NULLS LAST", " NULLS FIRST", " DESC", "")


@dataclass(frozen=True, slots=True)
class Index:
    """An index to create.

    Attributes:
        table: Its table.
        columns: Its columns and expressions, in order.
        method: The access method; "" for a B-tree.
    """

    table: TableInfo
    columns: tuple[str, ...]
    method: str = ""

    def create(self, *, concurrently: bool = True, name: str = "") -> str:
        """Return the statement that creates it; partitioned tables allow no CONCURRENTLY."""
        words = ["CREATE INDEX"]
        words += ["CONCURRENTLY"] if concurrently and not self.table.is_partitioned else []
        words += [name] if name else []
        words += [f"ON {self.table.sql}", *([f"USING {self.method}"] if self.method else [])]
        return f"{' '.join(words)} ({', '.join(self.columns)})"


def propose(
    table: TableInfo, wanted: Iterable[Condition], sort: Sequence[str] = ()
) -> Index | None:
    """Return an index for a table's conditions; None if none helps or one like it exists.

    Columns that are compared for equality come first, in the statement's order; then the columns
    of the sort, if there is one, or else one column that is compared with a range.

    Args:
        table: The table.
        wanted: Conditions on its columns.
        sort: The expressions by which its rows are sorted.
    """
    usable = [each for each in wanted if _has_order(table, each.column)]
    equal = [each for kind in ("equal", "null") for each in usable if each.kind == kind]
    columns = list(dict.fromkeys(each.column.expression for each in equal))
    one_value = not any(each.value.startswith("ANY ") for each in equal)
    ordered = _sort_columns(sort) if one_value else ()
    ordered = tuple(each for each in ordered if each.split(" ")[0] not in columns)
    ranges = [each.column.expression for each in usable if each.kind == "range"]
    found = (*columns, *(ordered or ranges[:1]))
    if found:
        return None if _exists(table, found, len(columns)) else Index(table, found)
    return _inverted(table, wanted)


def _inverted(table: TableInfo, wanted: Iterable[Condition]) -> Index | None:
    """Return an index of the elements of an array, a JSON document or a text search vector."""
    for each in wanted:
        type_ = table.types.get(each.column.name, "")
        fits = type_.endswith("[]") or type_ in ("jsonb", "tsvector")
        if each.kind == "contains" and fits and each.column.expression == each.column.name:
            exists = any(index.columns[:1] == (each.column.name,) for index in table.indexes)
            return None if exists else Index(table, (each.column.name,), "gin")
    return None


def _has_order(table: TableInfo, column: Column) -> bool:
    return table.types.get(column.name, "") not in NOT_ORDERED


def _sort_columns(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the sorted columns with their directions; empty unless all are columns.

    An index is read in either direction, so that equal directions need not be named.
    """
    found = []
    for key in keys:
        direction = next(each for each in _DIRECTIONS if key.endswith(each))
        column = column_of(key.removesuffix(direction))
        if column is None:
            return ()
        found.append((column.expression, direction))
    if len({direction for _, direction in found}) == 1 and found[0][1] in ("", " DESC"):
        return tuple(expression for expression, _ in found)
    return tuple(f"{expression}{direction}" for expression, direction in found)


def _exists(table: TableInfo, columns: Sequence[str], equal: int) -> bool:
    """Return true if an index begins with these columns; those of equality in any order."""
    plain = [each.split(" ")[0] for each in columns]
    for index in table.indexes:
        if not index.is_usable:
            continue
        has = [each.split(" ")[0] for each in index.columns[: len(plain)]]
        if set(has[:equal]) == set(plain[:equal]) and has[equal:] == plain[equal:]:
            return True
    return False
