"""Statements that return or sort too many rows, which an index does not help."""

from typing import Any

import pytest
from diagnosis_results import REQUESTS, causes, failed_run, first, slowed, statement, table, timing

SCANNED = table(seq_scans=REQUESTS, seq_rows_read=REQUESTS * 20_000, rows_per_seq_scan=20_000)
QUERY = "select id, name from items order by name"


def read_as_a_whole(*, rows: float, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """A slow run, most of whose time is a statement that reads a big table as a whole."""
    of_database = timing(pool=0.05, db=0.85, app=0.05, unattributed=0.05)
    slow = statement(
        QUERY, rows=rows * REQUESTS, mean_ms=250.0, total_ms=250.0 * REQUESTS, share=0.95
    )
    return slowed(
        failed_run(
            metrics__server_timing=of_database,
            resources__database__tables=[SCANNED],
            resources__database__statements=[slow],
            **changes,
        ),
        300,
        400,
        450,
    )


def planned(kind: str) -> dict[str, Any]:
    """The plan of the statement, with a costly node of a kind and no index."""
    node = {"kind": kind, "table": "items", "rows": 20_000, "text": f"{kind}s about 20000 rows"}
    plan = {"statement": QUERY, "nodes": [node], "index": None, "plan": ["Sort (rows=20000)"]}
    return {"statements": [plan], "notes": []}


def test_a_list_without_pages():
    """A statement that returns every row it reads needs pages, not an index."""
    result = read_as_a_whole(rows=20_000)
    found = first(result)
    assert found["cause"] == "large_result"
    assert found["evidence"] == [f"20,000 rows are returned by each call: {QUERY}"]
    assert found["where"][0]["statement"] == QUERY
    assert "missing_index" not in causes(result)
    assert causes(read_as_a_whole(rows=20))[0] == "missing_index"


def test_rows_that_a_statement_changes():
    """An UPDATE of thousands of rows returns none of them."""
    result = read_as_a_whole(rows=20_000)
    result["resources"]["database"]["statements"][0]["query"] = "UPDATE items SET name = $1"
    assert "large_result" not in causes(result)


def test_rows_that_take_little_time():
    """Some large results do not account for response times that are far longer."""
    result = read_as_a_whole(rows=20_000)
    few = statement(QUERY, calls=3, rows=60_000, mean_ms=10.0, total_ms=30.0, share=0.1)
    result["resources"]["database"]["statements"] = [few]
    assert "large_result" not in causes(result)


def test_a_sort_that_does_not_fit_into_memory():
    """Temporary files with each call of the main statement are its sort, if its plan only sorts."""
    result = read_as_a_whole(rows=5)
    result["resources"]["database"] |= {"temp_files": REQUESTS, "temp_bytes": 7e6 * REQUESTS}
    result["plans"] = planned("sort")
    found = first(result)
    assert found["cause"] == "spilled_to_disk"
    assert found["evidence"] == [
        f"6,300 MB were written to 900 temporary files, with 900 calls of {QUERY}",
        "its plan sorts about 20000 rows",
    ]
    assert causes(result).index("slow_statement") < causes(result).index("missing_index")


@pytest.mark.parametrize("kind", ["sequential_scan", "nested_loop"])
def test_a_filter_without_an_index(kind: str):
    """A plan that filters a table may need an index although none was proposed."""
    result = read_as_a_whole(rows=5)
    result["plans"] = planned(kind)
    assert first(result)["cause"] == "missing_index"


def test_a_sort_that_an_index_avoids():
    """If the plan lacks an index, that comes before the memory of the sort."""
    result = read_as_a_whole(rows=5)
    result["resources"]["database"] |= {"temp_files": REQUESTS, "temp_bytes": 7e6 * REQUESTS}
    result["plans"] = planned("sort")
    index = {"table": "items", "create": "CREATE INDEX CONCURRENTLY ON items (name)"}
    result["plans"]["statements"][0]["index"] = index
    assert causes(result)[0] == "missing_index"


def test_temporary_files_of_something_else():
    """Few temporary files, or a statement that takes little of the time, are no spilled sort."""
    result = read_as_a_whole(rows=5)
    result["resources"]["database"] |= {"temp_files": 9, "temp_bytes": 9e7}
    assert "spilled_to_disk" not in causes(result)
    result["resources"]["database"] |= {"temp_files": REQUESTS, "temp_bytes": 7e6 * REQUESTS}
    result["resources"]["database"]["statements"][0]["share"] = 0.3
    assert "spilled_to_disk" not in causes(result)
