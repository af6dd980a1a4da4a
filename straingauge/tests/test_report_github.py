"""Output for GitHub: Markdown for the job summary, and annotations."""

from pathlib import Path
from typing import Any

import pytest
from sample_results import reported
from straingauge.report import write_github
from straingauge.report.github import MOST_OF_A_KIND
from straingauge.report.markdown import markdown


@pytest.fixture(scope="module")
def results() -> list[dict[str, Any]]:
    """A quiet run and one in trouble."""
    return [reported("calm"), reported("stormy", trouble=True, words="a | b\n<b>c</b>")]


def test_markdown_has_a_row_for_each_run(results: list[dict[str, Any]]):
    """The verdict table has each run's verdict and statistics, and as many cells as columns."""
    lines = markdown(results).splitlines()
    header, rule, calm, stormy = lines[2:6]
    assert "✅ target" in calm
    assert "800" in calm
    assert "❌ critical" in stormy
    assert "p95\\_ms = " in stormy
    assert {line.count("|") - line.count("\\|") for line in (header, rule, calm, stormy)} == {10}


def test_markdown_tells_what_broke_and_why(results: list[dict[str, Any]]):
    """Below the table stand the diagnosis and the remarks, no text of the service as markup."""
    told = markdown(results)
    assert "**What broke first:** " in told
    assert "<b>" not in told
    assert "a \\| b \\<b\\>c\\</b\\>" in told


def test_summary_is_added_where_github_wants_one(tmp_path: Path, results: list[dict[str, Any]]):
    """The job's summary keeps what other steps have written; nothing is printed but on GitHub."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    assert write_github(results, {"GITHUB_STEP_SUMMARY": str(summary)}) == []
    assert summary.read_text() == "before\n" + markdown(results)
    assert write_github(results, {}) == []


def test_annotations_are_whole_lines(results: list[dict[str, Any]]):
    """Each critical entry is an error, each warning a warning, and each stays on its line."""
    lines = write_github(results, {"GITHUB_ACTIONS": "true"})
    errors = [line for line in lines if line.startswith("::error title=load test%3A stormy::")]
    assert any("p95_ms = " in line for line in errors)
    timeouts = [line for line in lines if line.startswith("::warning") and "timeout" in line]
    assert timeouts[0].endswith("a | b%0A<b>c</b>")
    assert not any("\n" in line for line in lines)
    assert not any("calm" in line for line in lines)


def test_more_annotations_than_github_shows_are_counted():
    """Of a flood, the last line says how many more there are."""
    flooded = reported(trouble=True, endpoints=[f"GET /{n}" for n in range(30)])
    lines = write_github([flooded], {"GITHUB_ACTIONS": "true"})
    warnings = [line for line in lines if line.startswith("::warning")]
    assert len(warnings) == MOST_OF_A_KIND
    left = sum(map(len, (each["errors"]["kinds"] for each in flooded["endpoints"].values())))
    left += sum(entry["grade"] == "warning" for entry in flooded["verdict"]["findings"])
    more = left - (MOST_OF_A_KIND - 1)
    assert warnings[-1].endswith(f"and {more} more, in the result files")


def test_a_summary_that_cannot_be_written_is_no_failure(
    tmp_path: Path, results: list[dict[str, Any]]
):
    """If the job summary cannot be written, a warning says so, and annotations remain."""
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "folder")}
    lines = write_github(results, environment)
    assert lines[0].startswith("::warning title=job summary::not written: ")
    assert lines[1:] == write_github(results, {"GITHUB_ACTIONS": "true"})
