"""Output for GitHub: Markdown for the job summary, and annotations."""

from pathlib import Path
from typing import Any

import pytest
from sample_results import sample_result
from straingauge.report import write_github
from straingauge.report.github import MOST_OF_A_KIND
from straingauge.report.markdown import markdown


@pytest.fixture(scope="module")
def results() -> list[dict[str, Any]]:
    """Return a normal run and a run in trouble."""
    return [sample_result("calm"), sample_result("stormy", trouble=True, message="a | b\n<b>c</b>")]


def test_the_table_has_a_row_per_run(results: list[dict[str, Any]]):
    """The table has each run's verdict and metrics, and the same number of cells in each row."""
    lines = markdown(results).splitlines()
    header, rule, calm, stormy = lines[2:6]
    assert "✅ target" in calm
    assert "800" in calm
    assert "❌ critical" in stormy
    assert "p95 761 ms, critical from 400 ms" in stormy
    assert {line.count("|") - line.count("\\|") for line in (header, rule, calm, stormy)} == {10}


def test_markdown_shows_diagnosis_and_escaped_errors(results: list[dict[str, Any]]):
    """The diagnosis and the errors are below the table, with all markup escaped."""
    text = markdown(results)
    assert "**What broke first:** " in text
    assert "<b>" not in text
    assert "a \\| b \\<b\\>c\\</b\\>" in text


def test_the_summary_is_appended(tmp_path: Path, results: list[dict[str, Any]]):
    """The job summary keeps the text of earlier steps; outside of GitHub nothing is printed."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    assert write_github(results, {"GITHUB_STEP_SUMMARY": str(summary)}) == []
    assert summary.read_text() == "before\n" + markdown(results)
    assert write_github(results, {}) == []


def test_annotations_are_single_lines(results: list[dict[str, Any]]):
    """Each critical entry is an error, each warning a warning, and each is on one line."""
    lines = write_github(results, {"GITHUB_ACTIONS": "true"})
    errors = [line for line in lines if line.startswith("::error title=load test%3A stormy::")]
    assert any("p95 761 ms, critical from 400 ms" in line for line in errors)
    timeouts = [line for line in lines if line.startswith("::warning") and "timeout" in line]
    assert timeouts[0].endswith("a | b%0A<b>c</b>")
    assert not any("\n" in line for line in lines)
    assert not any("calm" in line for line in lines)


def test_the_number_of_annotations_is_limited():
    """The last annotation has the number of those beyond GitHub's limit."""
    result = sample_result(trouble=True, endpoints=[f"GET /{n}" for n in range(30)])
    lines = write_github([result], {"GITHUB_ACTIONS": "true"})
    warnings = [line for line in lines if line.startswith("::warning")]
    assert len(warnings) == MOST_OF_A_KIND
    total = sum(map(len, (each["errors"]["kinds"] for each in result["endpoints"].values())))
    total += sum(entry["grade"] == "warning" for entry in result["verdict"]["findings"])
    more = total - (MOST_OF_A_KIND - 1)
    assert warnings[-1].endswith(f"and {more} more, in the result files")


def test_an_unwritable_summary_is_a_warning(tmp_path: Path, results: list[dict[str, Any]]):
    """If the job summary cannot be written, a warning says so, and annotations remain."""
    environment = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "folder")}
    lines = write_github(results, environment)
    assert lines[0].startswith("::warning title=job summary::not written: ")
    assert lines[1:] == write_github(results, {"GITHUB_ACTIONS": "true"})
