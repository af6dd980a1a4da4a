"""Grade a run: compare each threshold with its metric; the worst grade decides."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from straingauge.result.format.result import FindingDict, Grade, Measurements, VerdictDict
from straingauge.verdict.grade import Threshold, fails, worst
from straingauge.verdict.metrics import value_of
from straingauge.verdict.thresholds import Thresholds


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
    """The grade of a run, the worst of its findings, or "invalid" if it proves nothing."""

    grade: Grade | Literal["invalid"]
    findings: Sequence[Finding]

    @property
    def failed(self) -> bool:
        """The test fails, as an invalid run does."""
        return self.grade == "invalid" or fails(self.grade)

    @property
    def decisive(self) -> Sequence[Finding]:
        """The findings behind the grade; empty if all is well."""
        if self.grade in ("target", "acceptable"):
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
    required: Iterable[str] = (),
) -> Verdict:
    """Judge a result.

    Args:
        result: The result without its verdict.
        thresholds: The thresholds.
        findings: Further findings, from the test itself or from other rules.
        required: Endpoints that must have been called: thresholds for them without data fail.
    """
    found = [
        _finding(result, metric, threshold)
        for metric, threshold in thresholds.for_run(result["name"]).items()
    ]
    called = [*result["endpoints"], *(name for name in required if name not in result["endpoints"])]
    found += [
        _finding(result, metric, threshold, endpoint)
        for endpoint in called
        for metric, threshold in thresholds.endpoints.get(endpoint, {}).items()
    ]
    found += findings
    if any(reason["severity"] == "invalid" for reason in result["validity"]["reasons"]):
        return Verdict("invalid", found)
    return Verdict(worst([finding.grade for finding in found]), found)


def _finding(
    result: Mapping[str, Any], metric: str, threshold: Threshold, endpoint: str = ""
) -> Finding:
    value = value_of(result, metric, endpoint or None)
    grade = threshold.grade(value)
    subject = f"{endpoint} {metric}".strip()
    if value is None:
        message = f"{subject} has a threshold, but no data"
    else:
        message = f"{subject} = {value:.6g} ({_compared(threshold, grade)})"
    return Finding(metric, grade, message, endpoint, value, threshold)


def _compared(threshold: Threshold, grade: Grade) -> str:
    if grade == "target":
        return f"target {threshold.target:g}"
    if grade == "acceptable":
        return f"target {threshold.target:g} missed, warning from {threshold.warning:g}"
    bound = "below" if threshold.higher_is_better else "from"
    level = threshold.critical if grade == "critical" else threshold.warning
    return f"{grade} {bound} {level:g}"
