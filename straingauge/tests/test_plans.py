"""Plans recorded from PostgreSQL 18 name what is costly, and the index that is missing."""

import json
from pathlib import Path

import pytest
from straingauge.plans.catalog import Catalog, TableIndex, TableInfo
from straingauge.plans.costly_nodes import costly_nodes, parameters
from straingauge.plans.expression import conditions
from straingauge.plans.plan_node import MOST_LINES, PlanNode
from straingauge.plans.statement import TYPES, PlannableStatement

# Statements and their generic plans, of tables with the numbers of rows below.
RECORDED = json.loads((Path(__file__).parent / "golden" / "plans.json").read_text())
ID = (TableIndex("by_id", ("id",)),)
EVENTS = TableInfo("public.events", "events", 50_000, is_partitioned=True)
TABLES = {
    "users": TableInfo(
        "public.users", "users", 5_000, indexes=(*ID, TableIndex("by_email", ("email",)))
    ),
    "patients": TableInfo(
        "public.patients", "patients", 20_000, {"tags": "text[]", "data": "jsonb"}, ID
    ),
    "sessions": TableInfo("public.sessions", "sessions", 50_000, indexes=ID),
    "comments": TableInfo("public.comments", "comments", 50_000, indexes=ID),
    "events_1": EVENTS,
    "events_2": EVENTS,
}
CATALOG = Catalog({("public", name): table for name, table in TABLES.items()}, 4e6)


def proposal(statement: str, catalog: Catalog = CATALOG) -> tuple[list[str], str | None]:
    """The kinds of costly nodes of a recorded plan, and the first index that is proposed."""
    found = costly_nodes(PlanNode(RECORDED[statement]), catalog)
    index = next((each.index for each in found if each.index), None)
    return [each.node["kind"] for each in found], index.create() if index else None


@pytest.mark.parametrize(
    ("statement", "on"),
    [
        ("SELECT * FROM sessions WHERE patient_id = $1", "public.sessions (patient_id)"),
        (
            "SELECT * FROM sessions WHERE patient_id = $1 ORDER BY started_at DESC LIMIT $2",
            "public.sessions (patient_id, started_at)",
        ),
        (
            "SELECT * FROM sessions WHERE started_at >= $1 AND started_at < $2 AND status = $3",
            "public.sessions (status, started_at)",
        ),
        ("SELECT * FROM users WHERE lower(email) = $1", "public.users (lower(email))"),
        ("SELECT * FROM patients WHERE tags @> $1", "public.patients USING gin (tags)"),
        ("SELECT * FROM patients WHERE data @> $1", "public.patients USING gin (data)"),
        ("SELECT * FROM sessions WHERE patient_id = ANY($1)", "public.sessions (patient_id)"),
        (
            "SELECT * FROM sessions WHERE patient_id IN ($1 /*, ... */)",
            "public.sessions (patient_id)",
        ),
        (
            "SELECT p.*, (SELECT count(*) FROM sessions s WHERE s.patient_id = p.id)"
            " FROM patients p WHERE p.therapist_id = $1",
            "public.sessions (patient_id)",
        ),
        (
            "SELECT * FROM patients WHERE deleted_at IS NULL AND therapist_id = $1 ORDER BY name",
            "public.patients (therapist_id, deleted_at, name)",
        ),
        ("UPDATE sessions SET minutes = $1 WHERE patient_id = $2", "public.sessions (patient_id)"),
        ("DELETE FROM comments WHERE session_id = $1", "public.comments (session_id)"),
        (
            "SELECT max(started_at) FROM sessions WHERE patient_id = $1",
            "public.sessions (patient_id)",
        ),
    ],
)
def test_a_filter_without_index_gets_one(statement: str, on: str):
    """Columns of equality come first, then those of the sort, or else one of a range."""
    kinds, create = proposal(statement)
    assert (kinds[0], create) == ("sequential_scan", f"CREATE INDEX CONCURRENTLY ON {on}")


@pytest.mark.parametrize(
    ("statement", "on"),
    [
        (
            "SELECT * FROM users u JOIN patients p ON p.therapist_id = u.id"
            " JOIN sessions s ON s.patient_id=p.id WHERE u.email = $1",
            "public.sessions (patient_id)",
        ),
        (
            "WITH x AS (SELECT * FROM sessions WHERE patient_id=$1)"
            " SELECT * FROM x JOIN comments c ON c.session_id=x.id",
            "public.sessions (patient_id)",
        ),
    ],
)
def test_a_join_without_index_gets_one(statement: str, on: str):
    """A table that is read as a whole to join a few rows lacks an index on the join's column."""
    kinds, create = proposal(statement)
    assert "join_without_index" in kinds
    assert create == f"CREATE INDEX CONCURRENTLY ON {on}"


def test_partitions_are_one_table():
    """The index belongs on the partitioned table, which allows no CONCURRENTLY."""
    kinds, create = proposal("SELECT * FROM events WHERE kind = $1 AND at > $2")
    assert (kinds, create) == (["sequential_scan"], "CREATE INDEX ON public.events (kind, at)")


def test_the_first_rows_of_a_sort_need_an_index_on_its_key():
    """Sorting a whole table for its first rows is costly; sorting it for all of them is not."""
    first = proposal("SELECT * FROM sessions ORDER BY started_at DESC LIMIT $1")
    assert first == (["sort"], "CREATE INDEX CONCURRENTLY ON public.sessions (started_at)")
    assert proposal("SELECT * FROM sessions ORDER BY title") == ([], None)


def test_a_sort_beyond_work_mem_is_named():
    """A sort that needs more than work_mem is done on disk."""
    plan = PlanNode(RECORDED["SELECT * FROM sessions ORDER BY title"])
    (found,) = costly_nodes(plan, Catalog(CATALOG.tables, 1e6))
    assert (found.node["kind"], found.index) == ("sort", None)
    assert "on disk: work_mem is 1 MB" in found.node["text"]


def test_a_nested_loop_over_many_rows_is_named():
    """A comparison of all rows with all rows is costly, and no index avoids it."""
    statement = "SELECT * FROM users a JOIN users b ON a.name < b.name"
    assert proposal(statement) == (["nested_loop"], None)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(*) FROM sessions",
        "SELECT count(*) FROM sessions WHERE status = $1",
        "SELECT status, count(*) FROM sessions GROUP BY status",
        "SELECT * FROM patients WHERE id = ANY($1)",
        "INSERT INTO comments(session_id, body) VALUES ($1,$2)",
        "SELECT * FROM sessions WHERE status <> $1 FOR UPDATE SKIP LOCKED LIMIT $2",
    ],
)
def test_nothing_is_said_of_a_plan_that_needs_its_rows(statement: str):
    """A plan that uses an index, or that returns many of the rows it reads, is as it should be."""
    assert proposal(statement) == ([], None)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM users WHERE name LIKE $1",
        "SELECT * FROM sessions WHERE title ILIKE $1",
        "SELECT * FROM patients WHERE $1 = ANY(tags)",
        "SELECT * FROM patients WHERE data->>$1 = $2",
        "SELECT * FROM sessions WHERE patient_id=$1 OR minutes=$2",
        "SELECT * FROM sessions WHERE coalesce(title, $1) = $2",
    ],
)
def test_no_index_is_guessed(statement: str):
    """Only the scan is named if an index depends on the values or on rewriting the statement."""
    assert proposal(statement) == (["sequential_scan"], None)


def test_small_tables_are_read_as_a_whole():
    """PostgreSQL reads a table of a few rows faster than its index."""
    table = TableInfo("public.sessions", "sessions", 900)
    catalog = Catalog({("public", "sessions"): table}, 4e6)
    assert proposal("SELECT * FROM sessions WHERE patient_id = $1", catalog) == ([], None)


def test_an_index_that_exists_is_not_proposed():
    """An index with the same first columns counts unless it is partial or its creation failed."""
    statement = "SELECT * FROM sessions WHERE started_at >= $1 AND started_at < $2 AND status = $3"
    proposed = {}
    for usable in (True, False):
        index = TableIndex("one", ("status", "started_at", "title"), usable)
        table = TableInfo("public.sessions", "sessions", 50_000, indexes=(index,))
        proposed[usable] = proposal(statement, Catalog({("public", "sessions"): table}, 4e6))[1]
    assert proposed[True] is None
    assert proposed[False] is not None


def test_parameters_are_found_in_conditions():
    """A statement is tried with values of the columns that its parameters are compared with."""
    found = parameters(PlanNode(RECORDED["SELECT * FROM events WHERE kind = $1 AND at > $2"]))
    assert {number: each.column.name for number, (_, each) in found.items()} == {1: "kind", 2: "at"}
    assert conditions("(t.at > (now() - $1))")[0].parameter is None
    assert conditions("((t.name)::text = ANY (($1)::text[]))")[0].parameter == 1


def test_a_long_plan_is_shortened():
    """The result stores a bounded number of lines."""
    members = [{"Node Type": "Seq Scan", "Plan Rows": 1}] * 100
    assert len(PlanNode({"Node Type": "Append", "Plans": members}).lines()) == MOST_LINES


@pytest.mark.parametrize(
    "text",
    [
        "COMMIT",
        "SELECT 1; DROP TABLE t",
        "SET x = $1",
        "CREATE TABLE t AS SELECT 1",
        r"SELECT '\'; DROP TABLE t; --'",
        r"SELECT '\''; DROP TABLE t; --'",
        "SELECT 'open; DROP TABLE t",
    ],
)
def test_only_a_single_statement_with_a_plan_is_planned(text: str):
    """A text that could do more than be planned is never sent."""
    assert PlannableStatement.parse(text) is None


@pytest.mark.parametrize(
    ("text", "planned"),
    [
        ("SELECT 1 WHERE x > now() - interval $3", "SELECT 1 WHERE x > now() - $1::interval"),
        ("SELECT extract($1 FROM x) + $2", "SELECT extract(epoch from x) + $1"),
        ("SELECT ';' || $1 -- ; $2\n;", "SELECT ';' || $1 -- ; $2\n"),
        ('/* why */ select "a;b" from t', '/* why */ select "a;b" from t'),
    ],
)
def test_texts_without_values_become_valid_again(text: str, planned: str):
    """Syntax that needs a literal is rewritten if pg_stat_statements has replaced the literal."""
    parsed = PlannableStatement.parse(text)
    assert parsed is not None
    assert parsed.text == planned


def test_types_of_parameters_are_tried_in_turn():
    """The error names the parameter or the place, and the number of attempts is limited."""
    statement = PlannableStatement.parse("SELECT * FROM t LIMIT $1 + $2")
    assert statement is not None
    error = "operator is not unique: unknown + unknown"
    at = statement.text.index("+") + 1
    tried = []
    while statement := statement.with_next_type(error, at):
        tried.append(statement.text.rpartition("::")[2])
    assert tried == list(TYPES)
