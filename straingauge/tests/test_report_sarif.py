"""Causes as SARIF for code scanning."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from located_results import CODE, INDEX, PLACES, located_result
from sample_results import sample_result
from straingauge.cli import main
from straingauge.diagnosis.location import CodeLocation
from straingauge.report.output import OUTPUTS
from straingauge.report.sarif import ROOT, sarif

model = pytest.importorskip("pydantic_sarif.model", reason="needs pydantic-sarif")


def run_of(*results: dict[str, Any]) -> dict[str, Any]:
    """Return the only run of a SARIF file, after a check with the published format."""
    document = json.loads(sarif(results))
    model.StaticAnalysisResultsFormatSarifVersion210JsonSchema.model_validate(document)
    (run,) = document["runs"]
    found: dict[str, Any] = run
    return found


def test_a_cause_is_a_result_at_its_line_of_code():
    """Each cause with a line of code is a result there, with the rule of its id."""
    run = run_of(located_result())
    (result,) = run["results"]
    rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert rule["id"] == result["ruleId"] == "slow_endpoint"
    assert result["level"] == "error"
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {
        "uri": "app/sessions.py",
        "uriBaseId": ROOT,
    }
    assert location["physicalLocation"]["region"] == {"startLine": 88}
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "list_sessions"
    assert [
        each["physicalLocation"]["artifactLocation"]["uri"] for each in result["relatedLocations"]
    ] == ["app/main.py"]
    for text in ("it was seen", INDEX, "api.example.com:443"):
        assert text in result["message"]["text"]


def test_a_cause_without_code_is_a_notification():
    """Code hosts refuse results without a file, so other causes are notifications of the run."""
    run = run_of(located_result(*PLACES[1:4]))
    assert run["results"] == []
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["descriptor"]["id"] == "slow_endpoint"
    assert INDEX in notification["message"]["text"]


def test_a_healthy_run_has_no_results():
    """A run without causes is an empty, valid file, which closes earlier alerts."""
    run = run_of(sample_result())
    assert run["results"] == []
    assert run["invocations"][0]["toolExecutionNotifications"] == []


def test_an_alert_is_the_same_after_its_line_moved():
    """The fingerprint depends on cause, file and function, not on the line."""
    places = (CODE, CodeLocation(CODE.file, 120, CODE.function), CodeLocation(CODE.file, 88, "f"))
    prints = [run_of(located_result(each))["results"][0]["partialFingerprints"] for each in places]
    assert prints[0] == prints[1] != prints[2]


def test_odd_file_names_are_uris():
    """Characters that a URI cannot have are encoded, and a file elsewhere has an absolute URI."""
    run = run_of(located_result(CodeLocation("app/ä b#1.py", 1), CodeLocation("/srv/x y.py", 2)))
    (result,) = run["results"]
    physical = [
        each["physicalLocation"]["artifactLocation"]
        for each in (*result["locations"], *result["relatedLocations"])
    ]
    assert physical[0]["uri"] == "app/%C3%A4%20b%231.py"
    assert physical[1] == {"uri": "file:///srv/x%20y.py"}


def test_the_report_command_writes_sarif(tmp_path: Path):
    """`straingauge report RESULT -o x.sarif` writes it; another ending lists the formats."""
    source, target = tmp_path / "result.json", tmp_path / "x.sarif"
    source.write_text(json.dumps(located_result()))
    done = CliRunner().invoke(main, ["report", str(source), "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert json.loads(target.read_text())["runs"][0]["results"]
    refused = CliRunner().invoke(main, ["report", str(source), "-o", str(tmp_path / "x.pdf")])
    assert refused.exit_code == 2
    assert "the name must end in .html" in refused.output
    assert all(ending in refused.output for ending in OUTPUTS)
