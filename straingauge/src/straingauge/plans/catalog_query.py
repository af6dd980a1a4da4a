"""The statement that describes the tables of plans, and its rows as a `Catalog`."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from straingauge.observe.postgres_activity import MARK
from straingauge.plans.catalog import Catalog, TableIndex, TableInfo, TableName

_UNITS = {"": 1, "B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_TABLES = f"""
    SELECT {MARK} given.nspname, given_class.relname,
           quote_ident(namespace.nspname) || '.' || quote_ident(root.relname),
           CASE WHEN namespace.nspname = 'public' THEN '' ELSE namespace.nspname || '.' END
               || root.relname,
           (SELECT coalesce(sum(greatest(pg_stat_get_live_tuples(part.oid), part.reltuples, 0)), 0)
            FROM pg_class AS part WHERE CASE WHEN root.relkind = 'p'
                THEN part.oid IN (SELECT relid FROM pg_partition_tree(root.oid) WHERE isleaf)
                ELSE part.oid = root.oid END)::float8,
           root.relkind = 'p',
           (SELECT coalesce(
                array_agg(ARRAY[quote_ident(attname), format_type(atttypid, NULL)]), '{{}}')
            FROM pg_attribute WHERE attrelid = root.oid AND attnum > 0 AND NOT attisdropped),
           (SELECT coalesce(array_agg(ARRAY[
                index_class.relname, (indisvalid AND indpred IS NULL)::text,
                (SELECT string_agg(pg_get_indexdef(indexrelid, place, false), E'\\n' ORDER BY place)
                 FROM generate_series(1, indnkeyatts) AS place)]), '{{}}')
            FROM pg_index JOIN pg_class AS index_class ON index_class.oid = indexrelid
            WHERE indrelid = root.oid)
    FROM pg_class AS given_class
    JOIN pg_namespace AS given ON given.oid = given_class.relnamespace
    JOIN pg_class AS root
        ON root.oid = coalesce(pg_partition_root(given_class.oid), given_class.oid)
    JOIN pg_namespace AS namespace ON namespace.oid = root.relnamespace
    WHERE given.nspname NOT IN ('pg_catalog', 'information_schema')
      AND (given.nspname, given_class.relname) IN ({{names}})
"""  # noqa: S608  of constants, and of names in quotes
WORK_MEMORY = f"SHOW {MARK} work_mem"


def tables(names: Iterable[TableName]) -> str:
    """Return the statement that describes these tables; there must be at least one."""
    pairs = ", ".join(f"({_literal(schema)}, {_literal(name)})" for schema, name in sorted(names))
    return _TABLES.replace("{names}", pairs)


def catalog(rows: Sequence[Sequence[Any]], work_memory: str) -> Catalog:
    """Return the rows of both statements as one object."""
    found: dict[TableName, TableInfo] = {}
    for schema, name, sql, label, count, partitioned, columns, indexes in rows:
        found[schema, name] = TableInfo(
            sql=sql,
            label=label,
            rows=count,
            types=dict(columns),
            indexes=tuple(
                TableIndex(index, tuple((items or "").split("\n")), usable == "true")
                for index, usable, items in indexes
            ),
            is_partitioned=partitioned,
        )
    return Catalog(found, _bytes(work_memory))


def _bytes(setting: str) -> float:
    """Return a setting such as "4MB" in bytes."""
    found = re.fullmatch(r"(\d+)\s*(\w*)", setting.strip())
    return float(int(found[1]) * _UNITS.get(found[2], 1)) if found else 4 * 1024.0**2


def _literal(text: str) -> str:
    """Return a string literal; the server's standard_conforming_strings does not matter."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"
