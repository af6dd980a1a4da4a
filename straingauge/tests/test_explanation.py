"""Results as plain text, for a log or an assistant."""

from pathlib import Path

from click.testing import CliRunner
from formats import whole
from located_results import CODE, INDEX, located_result
from sample_results import sample_result
from straingauge.cli import main
from straingauge.report.explanation import WIDTH, explanation
from straingauge.result.format import write


def labels(text: str) -> list[str]:
    """Return the labels of all lines in their order."""
    return [line.partition(":")[0] for line in text.splitlines() if line[:1].strip()]


def test_a_failure_is_explained_from_verdict_to_fix():
    """Verdict, what failed, cause, how sure, evidence, places and fix follow one another."""
    text = explanation([located_result()])
    found = list(dict.fromkeys(labels(text)))
    assert found[:3] == ["Verdict", "Load", "Failed"]
    assert found[-6:] == ["Cause", "Sure", "Evidence", "Where", "Index", "Fix"]
    assert f"Where:    at {CODE.file}:{CODE.line} in {CODE.function}\n" in text
    assert "Sure:     90%, in steady\n" in text
    assert INDEX in " ".join(text.split())


def test_a_healthy_result_has_no_cause():
    """A run that passed says that nothing failed, and names no fix."""
    text = explanation([sample_result()])
    assert text.startswith("Verdict:  target (steady, ")
    assert "nothing failed" in text
    assert "Fix" not in labels(text)


def test_lines_fit_into_80_columns_and_whole_words():
    """Lines are wrapped between words, and a word longer than a line is not broken."""
    path = f"/srv/{'x' * 2 * WIDTH}"
    result = located_result()
    result["diagnosis"][0]["advice"] = [f"shorten the work that {path} does " + "again and " * 20]
    lines = explanation([result]).splitlines()
    assert [line.strip() for line in lines if len(line) > WIDTH] == [path]


def test_a_number_and_its_unit_stay_in_one_line():
    """A line does not end between a number and its unit."""
    result = located_result()
    result["diagnosis"][0]["evidence"] = ["it waited for 241 ms " * 20]
    lines = [line for line in explanation([result]).splitlines() if "waited" in line]
    assert len(lines) > 3
    assert not [line for line in lines if line.endswith("241")]


def test_a_missed_target_is_no_failure():
    """An acceptable run without a cause says that a target was missed."""
    result = {**sample_result(trouble=True), "diagnosis": []}
    text = explanation([{**result, "verdict": {**result["verdict"], "grade": "acceptable"}}])
    assert "a target was missed, but nothing failed" in " ".join(text.split())


def test_control_characters_do_not_reach_the_terminal():
    """An escape sequence in a measured text does not colour the explanation."""
    result = located_result()
    result["diagnosis"][0]["evidence"] = ["\x1b[31mred\x1b[0m"]
    assert "?[31mred?[0m" in explanation([result])


def test_an_unexplained_failure_says_so():
    """A failed run without a cause refers to the service's log."""
    text = explanation([{**sample_result(trouble=True), "diagnosis": []}])
    assert "Cause:    no rule explains it; see the service's log at that time\n" in text


def test_an_invalid_run_is_not_called_faultless():
    """An explanation of an invalid run without a cause does not say that nothing failed."""
    result = sample_result()
    reason = {"reason": "generator_saturated", "message": "late", "advice": "use more processes"}
    result["validity"] = {"valid": False, "reasons": [{**reason, "severity": "invalid"}]}
    result["verdict"] = {"grade": "invalid", "findings": []}
    text = explanation([{**result, "diagnosis": []}])
    assert labels(text) == ["Verdict", "Load", "Invalid", "Fix", "Cause"]
    assert "an invalid run proves nothing" in text
    assert "nothing failed" not in text


def test_explain_prints_the_explanation_of_a_file(tmp_path: Path):
    """`straingauge explain` reads a result file, and exits with 0 though it is critical."""
    path = write(whole(name="quick_reads"), tmp_path)
    done = CliRunner().invoke(main, ["explain", str(path)])
    assert done.exit_code == 0
    assert done.output.startswith("Verdict:  critical (quick_reads, ")
