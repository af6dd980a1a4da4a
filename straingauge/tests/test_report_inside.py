"""Profile, traces and plans as the page shows them."""

from typing import Any

import pytest
from inside_results import ENDPOINT, inside_result, plans, profile, span, traces
from located_results import INDEX, STATEMENT
from sample_results import sample_result
from straingauge.report import plans as plans_table
from straingauge.report import profile as profile_tables
from straingauge.report import waterfall
from straingauge.report.page import page
from straingauge.result.format.schema import schema, violation

HOSTILE = """</script><img src=x onerror="alert(2)">'"&{{ 7*7 }}"""


def kept(*spans: dict[str, Any]) -> dict[str, Any]:
    """Return the waterfall of one trace."""
    found = traces()
    found["kept"][0]["spans"] = [*spans]
    (shown,) = (waterfall.traces({"traces": found}) or {})["kept"]
    trace: dict[str, Any] = shown
    return trace


def test_the_sample_is_a_valid_result():
    """The sample of these tests matches the published format."""
    assert violation(inside_result(), schema("result-1")) is None


def test_a_result_without_them_has_no_sections():
    """Nothing is shown of a run that was neither profiled nor traced."""
    result = sample_result()
    assert profile_tables.profile(result) is None
    assert profile_tables.flame_graph(result) is None
    assert waterfall.traces(result) is None
    assert plans_table.plans(result) is None
    assert plans_table.plans({"plans": {"statements": [], "notes": []}}) is None


def test_lines_of_a_profile_have_shares_of_all_samples():
    """Each line has its share of the samples, the heaviest first, by state."""
    shown = profile_tables.profile(inside_result()) or {}
    running, waiting = shown["states"]
    assert (running["title"], running["total"]) == ("on a CPU", "100 samples")
    assert running["lines"][0]["own"] == "60%"
    assert running["lines"][0]["code"] == "app/notes.py:14 summary_of"
    assert (waiting["name"], waiting["lines"]) == ("thread", [])
    assert shown["stalls"][0]["lines"] == "app/notes.py:14 summary_of"


def test_a_profile_says_how_many_samples_its_stacks_have():
    """A page whose flame graph has only the most frequent stacks says so."""
    assert (profile_tables.profile(inside_result()) or {})["omitted"] == ""
    more = {"profile": {**profile(), "running_samples": 1_240}}
    text = (profile_tables.profile(more) or {})["omitted"]
    assert text == "The most frequent stacks: 100 of 1,240 samples."


def test_a_flame_graph_names_threads_and_frames():
    """The data of the flame graph are all stacks by state, with their threads."""
    data = profile_tables.flame_graph(inside_result()) or {}
    assert data["threads"] == ["uvicorn 4711 MainThread", "uvicorn 4711 worker"]
    assert data["states"]["running"][0] == [0, 60, 0, 1, 2, 3, 4, 5]
    assert data["frames"][3] == ["list_sessions", "app/sessions.py", 88, True]
    assert profile_tables.flame_graph({"profile": {**profile(), "stacks": []}}) is None


def test_repeated_spans_share_a_row():
    """Twenty equal spans in a row are one row with twenty bars."""
    shown = waterfall.traces(inside_result()) or {}
    rows = shown["kept"][0]["rows"]
    assert [row["times"] for row in rows] == [0, 0, 20, 0]
    assert len(rows[2]["bars"]) == 20
    assert rows[2]["took"] == "680"
    assert [row["depth"] for row in rows] == [0, 1, 1, 1]
    assert rows[3]["is_error"]


def test_spans_follow_their_parents():
    """Spans are nested by their parents, in whatever order they arrived."""
    shown = kept(
        span("3", "2", "c", "own", 2.0, 1.0),
        span("1", None, "a", "server", 0.0, 9.0),
        span("4", "1", "d", "own", 5.0, 1.0),
        span("2", "1", "b", "own", 1.0, 3.0),
    )
    names = [(row["name"], row["depth"]) for row in shown["rows"]]
    assert names == [("a", 0), ("d", 1), ("b", 1), ("c", 2)]


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [span("1", "1", "a", "own", 0.0, 0.0)],
        [span("1", "9", "a", "own", -5.0, 1.0)],
        [span("1", None, "a", "own", 0.0, 1.0), span("1", "1", "b", "own", 0.0, 1.0)],
        [span("1", "2", "a", "own", 0.0, 1.0), span("2", "1", "b", "own", 0.0, 1.0)],
    ],
    ids=["none", "own parent", "missing parent", "one id twice", "circle"],
)
def test_odd_traces_are_shown(spans: list[dict[str, Any]]):
    """Spans without parent, with themselves as parent, in circles or without time do no harm."""
    shown = kept(*spans)
    assert len(shown["rows"]) <= len(spans)


def test_plans_have_times_and_an_index_to_copy():
    """A plan has what is costly, the index, and the times before and after."""
    found = plans()
    found["statements"].append({"statement": "SELECT 1", "nodes": [], "index": None, "plan": []})
    first, second = (plans_table.plans({"plans": found}) or {})["statements"]
    assert (first["before"], first["after"], first["create"]) == ("38.0", "0.400", INDEX)
    assert first["statement"] == " ".join(STATEMENT.split())
    assert (second["before"], second["after"], second["create"]) == ("-", "-", None)


def test_markup_in_traces_profiles_and_plans_is_escaped():
    """Names of functions, spans, statements and indexes are shown as text."""
    result = inside_result()
    result["profile"]["frames"][3]["function"] = HOSTILE
    result["profile"]["lines"][0]["function"] = HOSTILE
    result["traces"]["kept"][0]["spans"][0] |= {"name": HOSTILE, "detail": HOSTILE}
    result["traces"]["endpoints"] = {HOSTILE: result["traces"]["endpoints"][ENDPOINT]}
    result["plans"]["statements"][0] |= {"statement": HOSTILE, "plan": [HOSTILE]}
    result["plans"]["statements"][0]["index"]["create"] = HOSTILE
    html = page([result])
    assert "<img" not in html
    assert html.count("</script>") == 2
