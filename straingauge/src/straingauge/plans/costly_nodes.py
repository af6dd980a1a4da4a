"""The parts of a plan that take many rows for few results, and the index that would avoid it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from straingauge.number_text import count
from straingauge.plans.catalog import Catalog, TableInfo
from straingauge.plans.expression import Condition
from straingauge.plans.index import Index, propose
from straingauge.plans.plan_node import PlanNode
from straingauge.result.format.plans import CostlyNode, NodeKind

MANY_ROWS = 1_000  # for smaller tables PostgreSQL rightly prefers a sequential scan
FEW = 0.1  # of the rows that are read; with more results an index saves little
MANY_PAIRS = 100_000  # compared by a nested loop: some 10 ms
MOST_NODES = 5
PATTERN = (
    "; which index serves a pattern depends on it: text_pattern_ops for a fixed beginning, pg_trgm"
    " for others"
)

_SCANS = ("Seq Scan", "Bitmap Heap Scan", "Index Scan")
_NEEDS_ALL_ROWS = ("Anti", "Full")  # types of joins that read a side as a whole anyway
_PASSES_ROWS_ON = (
    *("Sort", "Incremental Sort", "Hash", "Materialize", "Memoize", "Gather", "Gather Merge"),
    *("Append", "Merge Append", "LockRows", "Subquery Scan"),
)


@dataclass(frozen=True, slots=True)
class Costly:
    """A costly node.

    Attributes:
        node: Its description in a result.
        index: The index that would avoid it, if there is one.
    """

    node: CostlyNode
    index: Index | None = None


def costly_nodes(plan: PlanNode, catalog: Catalog) -> list[Costly]:
    """Return the costly nodes of a plan, those that take most rows first."""
    found = [*_scans(plan, catalog), *_joins(plan, catalog), *_loops(plan, catalog)]
    known = {each.node["table"] for each in found if each.index}
    found += [each for each in _sorts(plan, catalog) if each.node["table"] not in known]
    return sorted(found, key=lambda each: -each.node["rows"])[:MOST_NODES]


def _scans(plan: PlanNode, catalog: Catalog) -> Iterator[Costly]:
    """Sequential scans that filter most rows; the partitions of a table are one."""
    by_table: dict[str, list[PlanNode]] = {}
    for node in plan.walk():
        if node.kind == "Seq Scan" and node.content.get("Filter") and _table(node, catalog):
            by_table.setdefault(f"{_sql(node, catalog)} {_root_alias(node)}", []).append(node)
    for nodes in by_table.values():
        table = _table(nodes[0], catalog)
        kept = sum(node.rows * _workers(node) for node in nodes)
        if table is None or table.rows < MANY_ROWS or kept > FEW * table.rows:
            continue
        wanted = _own(nodes[0])
        index = propose(table, wanted, _sort_above(nodes[0]))
        text = f"{_reads(table)} to keep about {max(kept, 1):,.0f}: {nodes[0].content['Filter']}"
        if index is None and any(each.kind == "pattern" for each in wanted):
            text += PATTERN
        yield Costly(_node("sequential_scan", table, table.rows * _runs(nodes[0]), text), index)


def _joins(plan: PlanNode, catalog: Catalog) -> Iterator[Costly]:
    """Joins that read a table as a whole for a few rows of the other side."""
    for join in plan.walk():
        if join.kind not in ("Hash Join", "Merge Join") or len(join.children) != 2:
            continue
        if any(word in str(join.content.get("Join Type")) for word in _NEEDS_ALL_ROWS):
            continue
        sides = [_scanned(child) for child in join.children]
        for scan, other in zip(sides, reversed(join.children), strict=True):
            table = _table(scan, catalog) if scan and scan.kind == "Seq Scan" else None
            if scan is None or table is None or table.rows < MANY_ROWS:
                continue
            is_filtered = scan.rows * _workers(scan) <= FEW * table.rows
            few = FEW * table.rows
            if is_filtered or other.rows > few or join.rows > few:
                continue
            wanted = _equal(join, scan)
            index = propose(table, wanted)
            if index is None:
                continue
            text = f"{_reads(table)} to join about {count(other.rows, 'row')}: {_condition(join)}"
            yield Costly(_node("join_without_index", table, table.rows, text), index)


def _loops(plan: PlanNode, catalog: Catalog) -> Iterator[Costly]:
    """Nested loops that compare each row of one side with each of a table read as a whole."""
    for loop in plan.walk():
        if loop.kind != "Nested Loop" or len(loop.children) != 2:
            continue
        outer, inner = loop.children
        scan = _scanned(inner)
        if scan is None or scan.kind != "Seq Scan" or outer.rows * inner.rows < MANY_PAIRS:
            continue
        table = _table(scan, catalog)
        wanted = _equal(loop, scan)
        index = propose(table, wanted) if table and table.rows >= MANY_ROWS else None
        label = table.label if table else ".".join(scan.relation or ())
        text = (
            f"compares {outer.rows:,.0f} x {count(inner.rows, 'row')} in a nested loop over"
            f" {label}:"
            f" {_condition(loop) or 'no condition'}"
        )
        pairs = outer.rows * inner.rows
        yield Costly({"kind": "nested_loop", "table": label, "rows": pairs, "text": text}, index)


def _sorts(plan: PlanNode, catalog: Catalog) -> Iterator[Costly]:
    """Sorts that do not fit into memory, or that sort many rows to return the first few."""
    for sort in plan.walk():
        if sort.kind != "Sort" or sort.rows < MANY_ROWS:
            continue
        scan = _scanned(sort)
        table = _table(scan, catalog) if scan else None
        keys = ", ".join(sort.sort_key)
        size_bytes = sort.rows * sort.width_bytes
        if any(node.kind == "Limit" for node in sort.above()) and _is_first(sort):
            wanted = _own(scan) if scan else []
            index = propose(table, wanted, sort.sort_key) if table else None
            text = f"sorts about {count(sort.rows, 'row')} to return the first ones: {keys}"
            yield Costly(_node("sort", table, sort.rows, text), index)
        elif size_bytes > catalog.work_mem_bytes:
            text = (
                f"sorts about {count(sort.rows, 'row')} ({size_bytes / 1e6:,.0f} MB) on disk:"
                " work_mem is"
                f" {catalog.work_mem_bytes / 1e6:,.0f} MB: {keys}"
            )
            yield Costly(_node("sort", table, sort.rows, text))


def _own(scan: PlanNode) -> list[Condition]:
    """Return the conditions on the columns of a scan's table."""
    return [each for each in scan.filters if each.column.alias == scan.alias]


def _equal(join: PlanNode, scan: PlanNode) -> list[Condition]:
    """Return the conditions by which a join looks for equal values in a scan's table."""
    found = [each for each in join.joins if each.column.alias == scan.alias]
    return [each for each in found if each.kind == "equal"]


def _is_first(sort: PlanNode) -> bool:
    """Return true if a limit is above a sort, with nothing between them that needs all rows."""
    for node in sort.above():
        if node.kind == "Limit":
            return True
        if node.kind not in ("LockRows", "Subquery Scan", "Gather Merge", "Result"):
            return False
    return False


def _scanned(node: PlanNode) -> PlanNode | None:
    """Return the scan whose rows a node passes on; None if they come from several tables."""
    while node.kind in _PASSES_ROWS_ON and node.children:
        if len(node.children) > 1 and len({_partition_of(each) for each in node.children}) > 1:
            return None
        node = node.children[0]
    return node if node.kind in _SCANS else None


def _partition_of(node: PlanNode) -> str:
    return f"{node.kind} {_root_alias(node)}"


def _root_alias(node: PlanNode) -> str:
    """Return the alias in the statement: PostgreSQL numbers those of partitions (events_1)."""
    alias = node.alias.strip('"')
    is_member = node.content.get("Parent Relationship") == "Member"
    return alias.rpartition("_")[0] if is_member and "_" in alias else alias


def _sort_above(scan: PlanNode) -> tuple[str, ...]:
    """Return the keys by which the rows of a scan are sorted next."""
    for node in scan.above():
        if node.kind in ("Sort", "Incremental Sort"):
            return node.sort_key
        if node.kind not in _PASSES_ROWS_ON:
            break
    return ()


def _workers(node: PlanNode) -> float:
    """Return the number of processes that share a scan, with the leader."""
    planned = [each.content.get("Workers Planned", 0) for each in node.above()]
    return 1.0 + max((float(each) for each in planned), default=0.0)


def _runs(node: PlanNode) -> float:
    """Return how often a node runs: once for each row of the outer side of loops above it."""
    runs, below = 1.0, node
    for above in node.above():
        relation = below.content.get("Parent Relationship")
        if above.kind == "Nested Loop" and relation == "Inner" and below.kind != "Materialize":
            runs *= max(above.children[0].rows, 1.0)
        elif relation == "SubPlan":
            runs *= max(above.rows, 1.0)
        below = above
    return runs


def _table(node: PlanNode, catalog: Catalog) -> TableInfo | None:
    return catalog.tables.get(node.relation) if node.relation else None


def _sql(node: PlanNode, catalog: Catalog) -> str:
    table = _table(node, catalog)
    return table.sql if table else ""


def _reads(table: TableInfo) -> str:
    return f"reads all {count(table.rows, 'row')} of {table.label}"


def _condition(join: PlanNode) -> str:
    names: Iterable[str] = ("Hash Cond", "Merge Cond", "Join Filter")
    return "; ".join(str(join.content[name]) for name in names if name in join.content)


def _node(kind: NodeKind, table: TableInfo | None, rows: float, text: str) -> CostlyNode:
    label = table.label if table else None
    return {"kind": kind, "table": label, "rows": rows, "text": text}


def parameters(plan: PlanNode) -> dict[int, tuple[PlanNode, Condition]]:
    """Return the columns that parameters are compared with, by the parameters' numbers."""
    found: dict[int, tuple[PlanNode, Condition]] = {}
    scans = [node for node in plan.walk() if node.relation]
    for node in plan.walk():
        for condition in (*node.filters, *node.joins):
            number = condition.parameter
            scan = next((each for each in scans if each.alias == condition.column.alias), None)
            if number is not None and scan is not None:
                found.setdefault(number, (scan, condition))
    return found
