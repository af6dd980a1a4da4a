"""Verdicts as JUnit XML for CI systems."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from click.testing import CliRunner
from sample_results import sample_result
from straingauge.cli import main
from straingauge.report.junit import junit


def suites_of(*results: dict[str, Any]) -> list[ET.Element]:
    """Return the test suites, after a check of the totals that CI systems show."""
    root = ET.fromstring(junit(results))  # noqa: S314  our own
    for suite in [*root.findall("testsuite")]:
        assert int(suite.get("tests", "")) == len(suite.findall("testcase"))
        cases = [(each.get("classname"), each.get("name")) for each in suite.findall("testcase")]
        assert len(set(cases)) == len(cases)
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(name, "")) == len(suite.findall(f"testcase/{tag}"))
    for name in ("tests", "failures", "errors", "skipped"):
        assert int(root.get(name, "")) == sum(int(each.get(name, "")) for each in root)
    return [*root]


def outcomes(suite: ET.Element) -> dict[str, str]:
    """Return the outcome of each test; "passed" without one."""
    tags = ("failure", "error", "skipped")
    return {
        str(case.get("name")): next((tag for tag in tags if case.find(tag) is not None), "passed")
        for case in suite.findall("testcase")
    }


def test_each_finding_is_a_test():
    """A run is a suite, a finding a test, and only critical findings are failures."""
    good, bad = suites_of(sample_result(), sample_result("spike", trouble=True))
    assert (good.get("name"), bad.get("name")) == ("steady", "spike")
    assert set(outcomes(good).values()) == {"passed"}
    assert outcomes(bad) == {
        "validity": "passed",
        "error_rate_percent": "passed",  # a warning
        "journey_errors": "passed",
        "p95_ms": "failure",
    }
    failure = bad.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "critical"
    assert "critical from 400 ms" in failure.get("message", "")
    assert "timeout" in bad.findtext("system-out", "")
    named = {each.get("name"): each.get("value") for each in bad.iter("property")}
    assert named["grade"] == "critical"
    assert named["requests"] == "800"


def test_invalid_run_is_an_error():
    """An invalid run is an error, and what it found is skipped."""
    result = sample_result(trouble=True)
    reason = {"reason": "late", "severity": "invalid", "message": "it was late", "advice": "rest"}
    result["validity"] = {"valid": False, "reasons": [reason]}
    result["verdict"]["grade"] = "invalid"
    (suite,) = suites_of(result)
    assert outcomes(suite) == {
        "validity": "error",
        "error_rate_percent": "skipped",
        "journey_errors": "skipped",
        "p95_ms": "skipped",
    }
    error = suite.find("testcase/error")
    assert error is not None
    assert error.get("message") == "it was late"


def test_findings_without_data_fail_and_same_names_are_numbered():
    """A finding without data is a failure; a second one of a name has a number."""
    result = sample_result()
    (finding, *_) = result["verdict"]["findings"]
    found = {**finding, "grade": "no_data", "endpoint": "GET /items"}
    result["verdict"] = {"grade": "no_data", "findings": [found, found]}
    (suite,) = suites_of(result)
    title = f"{finding['rule']} of GET /items"
    assert outcomes(suite) == {"validity": "passed", title: "failure", f"{title} (2)": "failure"}


def test_text_without_a_place_in_xml():
    """Secrets and characters that XML cannot contain are replaced, and markup is text."""
    message = "<b> & \x00\x1b[31m password=hunter22 \ud800"
    (suite,) = suites_of(sample_result(trouble=True, message=message))
    text = suite.findtext("system-out", "")
    assert "<b> & ??[31m" in text
    assert "hunter22" not in text


def test_command_writes_it(tmp_path: Path):
    """`straingauge report RESULT -o x.xml` writes JUnit."""
    source, target = tmp_path / "result.json", tmp_path / "x.xml"
    source.write_text(json.dumps(sample_result(trouble=True)))
    done = CliRunner().invoke(main, ["report", str(source), "-o", str(target)])
    assert done.exit_code == 0, done.output
    assert ET.parse(target).getroot().tag == "testsuites"  # noqa: S314  our own
