"""Grade a run: compare each threshold with its metric; the worst grade decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from straingauge.number_text import beside, plain
from straingauge.result.format.result import (
    FindingDict,
    Grade,
    Measurements,
    RunGrade,
    VerdictDict,
)
from straingauge.verdict.floor import FLOOR, without_success
from straingauge.verdict.grade import Threshold, fails, worst
from straingauge.verdict.metrics import Part, describe_part, metric_of, value_of
from straingauge.verdict.thresholds import Thresholds

SPEED_NOT_JUDGED: Final = "speed not judged: no threshold for response times or throughput"
_PASSED: Final[tuple[RunGrade, ...]] = ("target", "acceptable")


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of a verdict: a checked threshold, or the outcome of a test's own check.

    Attributes:
        rule: The id of the metric, or words such as "first 429".
        grade: The grade.
        message: The finding in words, with its values.
        endpoint: The endpoint it is about; empty for the whole run.
        value: The value in the metric's unit; None if there is none.
        threshold: The threshold it was graded by, if any.
        cause: Id of a cause (`straingauge.diagnosis`), if the test knows it.
    """

    rule: str
    grade: Grade
    message: str
    endpoint: str = ""
    value: float | None = None
    threshold: Threshold | None = None
    cause: str | None = None

    def as_dict(self) -> FindingDict:
        """Return the finding as the result file has it."""
        return {
            "rule": self.rule,
            "grade": self.grade,
            "message": self.message,
            "endpoint": self.endpoint,
            "value": self.value,
            "threshold": None if self.threshold is None else self.threshold.as_dict(),
            "cause": self.cause,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The grade of a run: the worst of its findings.

    It is "not_judged" if all passed, but nothing was demanded of the run's speed, and "invalid" if
    the run proves nothing.
    """

    grade: RunGrade
    findings: Sequence[Finding]

    @property
    def failed(self) -> bool:
        """The test fails, as an invalid run does."""
        return fails(self.grade)

    @property
    def decisive(self) -> Sequence[Finding]:
        """The findings behind the grade; empty if all is well."""
        if self.grade in (*_PASSED, "not_judged"):
            return ()
        return [finding for finding in self.findings if finding.grade == self.grade]

    def as_dict(self) -> VerdictDict:
        """Return the verdict as the result file has it."""
        return {"grade": self.grade, "findings": [finding.as_dict() for finding in self.findings]}


def judge(
    result: Measurements,
    thresholds: Thresholds,
    findings: Iterable[Finding] = (),
    *,
    rules: Iterable[Finding] = (),
    required: Iterable[str] = (),
) -> Verdict:
    """Judge a result.

    Args:
        result: The result without its verdict.
        thresholds: The thresholds.
        findings: Findings of the test itself: with any of them, the run is judged.
        rules: Findings of other rules.
        required: Endpoints that must have been called: thresholds for them without data fail.
    """
    found = [
        _finding(result, metric, threshold)
        for metric, threshold in {**FLOOR, **thresholds.for_run(result["name"])}.items()
        if metric not in FLOOR or value_of(result, metric) is not None
    ]
    called = [*result["endpoints"], *(name for name in required if name not in result["endpoints"])]
    found += [
        _finding(result, metric, threshold, endpoint)
        for endpoint in called
        for metric, threshold in thresholds.endpoints.get(endpoint, {}).items()
    ]
    found += [
        _finding(result, metric, threshold, part=part)
        for part, table in thresholds.parts.items()
        for metric, threshold in table.items()
        if part[1] in result.get(part[0], {})
    ]
    found += [
        Finding("error_rate_percent", grade, message, endpoint, 100.0)
        for endpoint, grade, message in without_success(result)
    ]
    own = list(findings)
    judged = bool(own) or any(metric_of(each.rule).of_speed for each in found if each.threshold)
    found += [*own, *rules]
    return Verdict(_grade(result, found, judged=judged), found)


def _grade(result: Measurements, found: Sequence[Finding], *, judged: bool) -> RunGrade:
    if any(reason["severity"] == "invalid" for reason in result["validity"]["reasons"]):
        return "invalid"
    grade = worst([finding.grade for finding in found])
    return "not_judged" if grade in _PASSED and not judged else grade


def _finding(
    result: Mapping[str, Any],
    metric: str,
    threshold: Threshold,
    endpoint: str = "",
    *,
    part: Part | None = None,
) -> Finding:
    value = value_of(result, metric, endpoint or None, part=part)
    grade = threshold.grade(value)
    title, unit = metric_of(metric).title, metric_of(metric).unit
    name = endpoint if part is None else describe_part(part)
    subject = f"{name}: {title}" if name else title
    if value is None:
        message = f"{subject} has a threshold, but no data"
    else:
        words, limit = _limit(threshold, grade)
        shown = f"{subject} {beside(value, limit)} {unit}".rstrip()
        message = f"{shown}, {words} {plain(limit)} {unit}".rstrip()
    return Finding(metric, grade, message, endpoint, value, threshold)


def _limit(threshold: Threshold, grade: Grade) -> tuple[str, float]:
    """Return the limit that a value is shown with, and its words."""
    if grade in _PASSED:
        return "target", threshold.target
    bound = "below" if threshold.higher_is_better else "from"
    level = threshold.critical if grade == "critical" else threshold.warning
    return f"{grade} {bound}", level
