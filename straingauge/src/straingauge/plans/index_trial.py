"""Create a proposed index for a moment, and time its statement without and with it.

This writes, so it is for temporary databases only that straingauge started itself.
"""

import statistics
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo

from straingauge.observe.postgres_activity import MARK
from straingauge.observe.postgres_url import connection_parameters
from straingauge.plans.costly_nodes import MANY_ROWS, parameters
from straingauge.plans.index import Index
from straingauge.plans.plan_node import PlanNode
from straingauge.plans.plan_reader import ReadPlan, first_line

MOST_ROWS = 2_000_000  # creating an index takes about a second for a million rows
MOST_INDEXES = 3
WITHIN_S = 20.0
ROW_PLACES = (0.25, 0.5, 0.75)  # of the rows whose values are used
GAIN = 0.8  # an index that leaves more of the time is not worth proposing
LIMITS: Final = {"limit": "20", "offset": "0"}
_NAME = "straingauge_trial"
_SETTINGS = f"""
    SET {MARK} statement_timeout = '10s'; SET {MARK} lock_timeout = '1s'; SET {MARK} jit = off;
    SET {MARK} plan_cache_mode = force_custom_plan
"""
_Connection = psycopg.Connection[tuple[Any, ...]]


def try_indexes(url: str, plans: Iterable[ReadPlan]) -> list[str]:
    """Time statements without and with the index that they lack, and store the times.

    A proposal that makes its statement hardly faster is withdrawn.

    Args:
        url: A temporary database.
        plans: Plans of that database; their descriptions are changed.

    Returns:
        Notes on what could not be tried.
    """
    notes: list[str] = []
    give_up_s = time.monotonic() + WITHIN_S
    tried: dict[str, int] = {}
    candidates = [each for each in plans if each.index and each.index.table.rows <= MOST_ROWS]
    try:
        with closing(_connect(url)) as connection:
            for each in candidates:
                assert each.index is not None
                create = each.index.create()
                if time.monotonic() > give_up_s or len(tried | {create: 1}) > MOST_INDEXES:
                    break
                tried[create] = 1
                if note := _try(connection, each, each.index):
                    notes.append(note)
    except psycopg.Error as error:
        notes.append(f"indexes could not be tried: {first_line(error)}")
    return notes


def _connect(url: str) -> _Connection:
    address = make_conninfo(**connection_parameters(url))
    connection: _Connection = psycopg.connect(
        address, autocommit=True, prepare_threshold=None, connect_timeout=2
    )
    connection.execute(_SETTINGS.encode())
    return connection


def _try(connection: _Connection, plan: ReadPlan, index: Index) -> str | None:
    """Try an index; return a note if that is impossible."""
    described = plan.described["index"]
    assert described is not None
    try:
        values = _values(connection, plan)
        if not values:
            return None
        before_ms = _time_ms(connection, plan, values, reading=_names(plan, index))
        if before_ms is None:
            return None
        with _created(connection, index):
            after_ms = _time_ms(connection, plan, values)
    except psycopg.Error as error:
        return f"the index on {index.table.label} could not be tried: {first_line(error)}"
    if after_ms is None or after_ms > GAIN * before_ms:
        plan.described["index"] = None
        return None
    described["before_ms"], described["after_ms"] = round(before_ms, 3), round(after_ms, 3)
    return None


@contextmanager
def _created(connection: _Connection, index: Index) -> Iterator[None]:
    create = index.create(concurrently=False, name=_NAME)
    schema = index.table.sql.rpartition(".")[0]
    try:
        connection.execute(f"{create} {MARK}".encode())
        connection.execute(f"ANALYZE {MARK} {index.table.sql}".encode())
        yield
    finally:
        connection.execute(f"DROP INDEX {MARK} IF EXISTS {schema}.{_NAME}".encode())


def _values(connection: _Connection, plan: ReadPlan) -> list[dict[int, str]]:
    """Return values for all parameters, from several rows; empty if some cannot be found."""
    known = parameters(plan.plan)
    limits = plan.statement.limits()
    wanted = [each for each in plan.statement.parameters if each not in limits]
    if not known.keys() >= set(wanted):
        return []
    fixed = {number: LIMITS[word] for number, word in limits.items()}
    found = [dict(fixed) for _ in ROW_PLACES]
    by_table: dict[tuple[str, str], list[int]] = {}
    for number in wanted:
        relation = known[number][0].relation
        assert relation is not None
        by_table.setdefault(relation, []).append(number)
    for relation, numbers in by_table.items():
        columns = [
            f"ARRAY[{c.column.expression}]::text"
            if c.value.startswith("ANY ")
            else f"({c.column.expression})::text"
            for c in (known[number][1] for number in numbers)
        ]
        rows = _rows(connection, _sql(relation), columns)
        if not rows:
            return []
        for row, values in zip(rows, found, strict=True):
            values |= dict(zip(numbers, row, strict=True))
    return found


def _rows(connection: _Connection, table: str, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """Return values of these columns in rows that have them all; empty if no row does."""
    has_all = " AND ".join(f"{each} IS NOT NULL" for each in columns)
    of_them = f"FROM {table} WHERE {has_all}"
    count = connection.execute(f"SELECT {MARK} count(*) {of_them}".encode()).fetchone()
    rows = []
    for place in ROW_PLACES:
        at = int(place * (count[0] if count else 0))
        query = f"SELECT {MARK} {', '.join(columns)} {of_them} OFFSET {at} LIMIT 1"
        rows += connection.execute(query.encode()).fetchall()
    return rows if len(rows) == len(ROW_PLACES) else []


def _names(plan: ReadPlan, index: Index) -> frozenset[str]:
    """Return the names under which a plan reads the index's table: those of its partitions."""
    tables = plan.catalog.tables.items()
    return frozenset(name for (_, name), table in tables if table.sql == index.table.sql)


def _time_ms(
    connection: _Connection,
    plan: ReadPlan,
    values: Sequence[Mapping[int, str]],
    reading: Collection[str] = (),
) -> float | None:
    """Return the median of the statement's times with these values; nothing stays changed.

    None if the values do not make the statement read many rows of one of these tables, as in a join
    that finds no row in another one before.
    """
    times_ms, has_read = [], not reading
    for each in values:
        given = [each[number] for number in plan.statement.parameters]
        runs = [_execute(connection, plan.statement.text, given) for _ in range(2)]
        times_ms.append(min(time_ms for time_ms, _ in runs))
        has_read = has_read or any(not read.isdisjoint(reading) for _, read in runs)
    return statistics.median(times_ms) if has_read else None


def _execute(
    connection: _Connection, text: str, given: Sequence[str]
) -> tuple[float, frozenset[str]]:
    """Run a statement; return its time in ms, and the tables of which it has read many rows."""
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, VERBOSE, FORMAT JSON) {MARK} {text}"
    with connection.transaction(force_rollback=True), psycopg.RawCursor(connection) as cursor:
        cursor.execute(explain.encode(), given)
        row = cursor.fetchone()
    assert row is not None
    (document,) = row[0]
    nodes = PlanNode(document["Plan"]).walk()
    read = (node.relation for node in nodes if _rows_read(node) >= MANY_ROWS)
    return float(document["Execution Time"]), frozenset(each[1] for each in read if each)


def _rows_read(node: PlanNode) -> float:
    """Return how many rows a node of an executed plan has read."""
    names = ("Actual Rows", "Rows Removed by Filter")
    each_time = sum(float(node.content.get(name, 0)) for name in names)
    return each_time * float(node.content.get("Actual Loops", 0))


def _sql(relation: tuple[str, str]) -> str:
    return ".".join('"' + each.replace('"', '""') + '"' for each in relation)
