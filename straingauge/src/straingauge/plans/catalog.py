"""Tables and indexes of a database, as far as plans are judged by them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

TableName = tuple[str, str]
"""Schema and name of a table."""


@dataclass(frozen=True, slots=True)
class TableIndex:
    """An index that exists.

    Attributes:
        name: Its name.
        columns: Its columns and expressions in order, as PostgreSQL writes them.
        is_usable: False if its creation failed, or if it is partial.
    """

    name: str
    columns: tuple[str, ...]
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table.

    Attributes:
        sql: Its qualified name for use in statements.
        label: Its name as results show it: without the schema "public".
        rows: Number of rows.
        types: Types of its columns, by quoted name.
        indexes: Its indexes.
        is_partitioned: It consists of partitions.
    """

    sql: str
    label: str
    rows: float
    types: Mapping[str, str] = field(default_factory=dict)
    indexes: tuple[TableIndex, ...] = ()
    is_partitioned: bool = False


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of some plans.

    Attributes:
        tables: By name; a partition stands for the table that it belongs to.
        work_mem_bytes: Memory for one sort.
    """

    tables: Mapping[TableName, TableInfo]
    work_mem_bytes: float
