"""Causes in the database name the index and the costly part of the plan, where plans were read."""

from typing import Any

from diagnosis_results import causes, failed_run, first, pool, slowed, statement, table, timing
from straingauge.diagnosis import diagnose

QUERY = "SELECT * FROM items WHERE owner = $1"
CREATE = "CREATE INDEX CONCURRENTLY ON public.items (owner)"
SCAN = "reads all 50,000 rows of items to keep about 4: (items.owner = $1)"


def plan(before_ms: float | None, after_ms: float | None) -> dict[str, Any]:
    """The plan of a statement that lacks an index, as a result stores it."""
    return {
        "statement": QUERY,
        "nodes": [{"kind": "sequential_scan", "table": "items", "rows": 50_000.0, "text": SCAN}],
        "index": {
            "table": "items",
            "create": CREATE,
            "before_ms": before_ms,
            "after_ms": after_ms,
        },
        "plan": ["Seq Scan on public.items (rows=4); Filter: (items.owner = $1)"],
    }


def scanning(plans: list[dict[str, Any]], rows: int = 50_000) -> dict[str, Any]:
    """A slow run in which a table is read as a whole by each request."""
    result = failed_run(
        metrics__server_timing=timing(pool=0.5, db=0.45, app=0.03, unattributed=0.02),
        resources__pool=pool(size=3, peak_in_use=3, peak_waiters=90, avg_wait_ms=300.0),
        resources__database__tables=[table(seq_scans=900, rows_per_seq_scan=rows)],
        resources__database__statements=[
            statement("SELECT items.id FROM items", total_ms=100.0, share=0.05),
            statement(QUERY, mean_ms=80.0, total_ms=72e3, share=0.95),
        ],
    )
    result["plans"] = {"statements": plans, "notes": []}
    return slowed(result, 250, 400, 500)


def test_an_index_that_was_tried_is_evidence():
    """The cause shows both times, and its place is the statement with the index."""
    found = first(scanning([plan(38.2, 0.4)], rows=2_000))
    assert found["cause"] == "missing_index"
    assert found["confidence"] == 0.95
    assert found["evidence"][1] == f"38 ms -> 0.4 ms when tried with {CREATE}"
    assert found["advice"][0] == f"create it: {CREATE}"
    (where,) = found["where"]
    assert (where["statement"], where["table"], where["index"]) == (QUERY, "items", CREATE)


def test_an_index_that_was_not_tried_is_a_proposal():
    """In a database of others the index is named, and the confidence stays below a proof."""
    result = scanning([plan(None, None)], rows=2_000)
    found = first(result)
    assert found["evidence"][1] == f"it needs {CREATE}"
    without = first(scanning([], rows=2_000))
    assert without["where"][0]["index"] is None
    assert without["confidence"] < found["confidence"] < 0.95


def test_a_slow_statement_shows_its_costly_part():
    """The costliest part of the plan is evidence, with the index that would avoid it."""
    result = scanning([plan(38.2, 0.4)])
    (found,) = (each for each in diagnose(result) if each["cause"] == "slow_statement")
    assert found["evidence"][1] == f"its plan {SCAN}"
    assert found["where"][0]["index"] == CREATE
    assert causes(scanning([]))[0] == "missing_index"
