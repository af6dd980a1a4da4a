"""Verdicts as JUnit XML, the format in which CI systems show tests.

Source: the "junit-10.xsd" of Jenkins' xUnit plugin, which GitLab, Azure DevOps and pytest follow.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

from straingauge.redaction import without_secrets
from straingauge.report.text import PERCENTILES, Result, diagnosis, error_lines, grade
from straingauge.verdict.grade import fails

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INVALID: Final = "the run is invalid, so it proves nothing"


def junit(results: Sequence[Result]) -> str:
    """Render each run as a test suite, with a test for its validity and one for each finding.

    A critical finding, or one without data, is a failure, as in the exit code. An invalid run is an
    error, and its findings are skipped.
    """
    root = ET.Element("testsuites", name="straingauge")
    root.extend(_suite(without_secrets(result)) for result in results)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in root)))
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def junit_properties(result: Result) -> list[tuple[str, object]]:
    """Return the properties of a run in a JUnit file, by name."""
    metrics = result["metrics"]
    return [
        ("grade", grade(result)),
        ("requests", metrics["total_requests"]),
        ("error_rate_percent", metrics["error_rate_percent"]),
        *((f"{name}_ms", metrics["latency_ms"][name]) for name in PERCENTILES),
    ]


def _suite(result: Result) -> ET.Element:
    findings = result.get("verdict", {}).get("findings", [])
    is_invalid = grade(result) == "invalid"
    suite = ET.Element("testsuite", name=_text(result["name"]), timestamp=result["started_at"])
    listed = ET.SubElement(suite, "properties")
    for name, value in junit_properties(result):
        ET.SubElement(listed, "property", name=name, value="" if value is None else _text(value))
    seen = Counter[str]()
    suite.append(_validity(result, is_invalid=is_invalid))
    for finding in findings:
        title = " of ".join(filter(None, (finding["rule"], finding["endpoint"])))
        seen[title] += 1  # CI systems show one test of each name
        name = title if seen[title] == 1 else f"{title} ({seen[title]})"
        suite.append(_finding(result, name, finding, is_invalid=is_invalid))
    lines = [line for line in (*diagnosis([result]), *error_lines(result)) if line]
    if lines:
        ET.SubElement(suite, "system-out").text = _text("\n".join(lines))
    outcomes = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    suite.set("tests", str(1 + len(findings)))
    for name, tag in outcomes.items():
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{result['metrics']['duration_s']:.3f}")
    return suite


def _validity(result: Result, *, is_invalid: bool) -> ET.Element:
    case = _case(result, "validity")
    reasons = result["validity"]["reasons"]
    if is_invalid:
        decisive = [each for each in reasons if each["severity"] == "invalid"]
        message = _text("; ".join(each["message"] for each in decisive))
        ET.SubElement(case, "error", type="invalid", message=message)
    if reasons:
        lines = "\n".join(f"{each['severity']}: {each['message']}" for each in reasons)
        ET.SubElement(case, "system-out").text = _text(lines)
    return case


def _finding(
    result: Result, name: str, finding: Mapping[str, Any], *, is_invalid: bool
) -> ET.Element:
    case, message = _case(result, name), _text(finding["message"])
    if is_invalid:
        ET.SubElement(case, "skipped", message=_INVALID)
    elif fails(finding["grade"]):
        ET.SubElement(case, "failure", type=finding["grade"], message=message)
    ET.SubElement(case, "system-out").text = f"{finding['grade']}: {message}"
    return case


def _case(result: Result, name: str) -> ET.Element:
    """Return a test without an outcome, which is a passed one."""
    return ET.Element("testcase", classname=_text(result["name"]), name=_text(name), time="0")


def _text(value: object) -> str:
    """Text without the characters that XML 1.0 cannot contain."""
    return _NOT_IN_XML.sub("\ufffd", str(value))
