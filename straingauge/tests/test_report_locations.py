"""Places of causes in all reports: terminal, page, Markdown, annotations, capacity, live view."""

from pathlib import Path

import pytest
from located_results import CODE, INDEX, PLACES, STATEMENT, located_result
from straingauge.diagnosis.location import CodeLocation, Location, StatementLocation
from straingauge.git import repository_path
from straingauge.live_view.view import view
from straingauge.report import diagnosis, write_github
from straingauge.report.locations import place
from straingauge.report.markdown import markdown
from straingauge.report.page import page

TEXTS = (
    "at app/sessions.py:88 in list_sessions",
    "GET /sessions: SELECT id, text, created_at FROM notes WHERE ...",
    "GET /sessions calls api.example.com:443",
    "in python (pid 4711): 120 sockets to 10.0.0.7:443",
    "at app/main.py:3",
    "statement: holds the lock: UPDATE users SET seen = $1",
    "table public.users",
)


@pytest.mark.parametrize(("location", "text"), [*zip(PLACES, TEXTS, strict=True)])
def test_each_place_is_a_line_of_a_terminal(location: Location, text: str):
    """A place is one line that fits into 80 columns, with its label."""
    shown = place(location.as_dict())
    assert shown == text
    assert len(f"Where: {shown}") <= 80


def test_the_diagnosis_names_places_after_the_cause():
    """The first places and the index follow the cause, before what to do."""
    lines = diagnosis([located_result()])
    (why,) = [n for n, line in enumerate(lines) if line.startswith("Why: ")]
    assert lines[why + 1] == f"Where: {TEXTS[0]}"
    assert lines[why + 3] == f"Index: {INDEX}"
    assert lines[why + 5].startswith("Fix: ")
    assert "**Where:** at app/sessions.py:88 in list" in markdown([located_result()])


def test_a_less_likely_cause_names_its_first_place():
    """The line of a less likely cause ends with its place."""
    result = located_result(CODE)
    other = {**result["diagnosis"][0], "cause": "memory_leak", "confidence": 0.5}
    lines = diagnosis([{**result, "diagnosis": [*result["diagnosis"], other]}])
    assert [line for line in lines if line.startswith("Also: ") and line.endswith(TEXTS[0])]


def test_a_statement_is_not_named_twice_in_a_line():
    """A less likely cause whose evidence has its statement does not repeat it."""
    result = located_result(StatementLocation(STATEMENT))
    evidence = [f"16 times per request: {' '.join(STATEMENT.split())}"]
    other = {**result["diagnosis"][0], "cause": "memory_leak", "confidence": 0.5}
    other["evidence"] = evidence
    lines = diagnosis([{**result, "diagnosis": [*result["diagnosis"], other]}])
    (also,) = [line for line in lines if line.startswith("Also: ")]
    assert also.endswith(evidence[0])


def test_the_page_shows_all_places_in_full():
    """The page has every place, whole statements, and a button that copies an index."""
    html = page([located_result()])
    for text in (*TEXTS[2:], "WHERE session_id = $1 ORDER BY created_at", INDEX):
        assert f"<code>{text}" in html or f"{text}</code>" in html
    assert html.count('class="copy"') == 1


def test_the_live_page_has_the_places():
    """The data of Locust's tab has a line for each place."""
    (cause,) = view(located_result())["diagnosis"]["causes"]
    assert cause["where"] == list(TEXTS)


def test_an_annotation_is_at_the_line_of_code():
    """GitHub shows the cause at the first line of code that it points to, if there is one."""
    lines = write_github([located_result()], {"GITHUB_ACTIONS": "true"})
    (line,) = [line for line in lines if "file=" in line]
    assert line.startswith(
        "::warning file=app/sessions.py,line=88,title=load test%3A steady::an endpoint is slow"
    )
    assert "in list_sessions" in line
    without = write_github([located_result(*PLACES[1:4])], {"GITHUB_ACTIONS": "true"})
    assert not [line for line in without if "file=" in line]


def test_a_file_name_cannot_break_an_annotation():
    """Separators and line ends in a file's name are escaped."""
    odd = located_result(CodeLocation("a,b:c%\n.py", 1))
    lines = write_github([odd], {"GITHUB_ACTIONS": "true"})
    assert [line for line in lines if "file=a%2Cb%3Ac%25%0A.py,line=1," in line]


def test_an_absolute_file_is_shown_relative_to_its_repository(tmp_path: Path):
    """Code hosts need paths from the root of the repository; other files stay as they are."""
    (tmp_path / "repository" / ".git").mkdir(parents=True)
    inside = tmp_path / "repository" / "app" / "main.py"
    assert repository_path(str(inside)) == "app/main.py"
    assert repository_path(str(tmp_path / "main.py")) == (tmp_path / "main.py").as_posix()
    assert repository_path("app/main.py") == "app/main.py"
