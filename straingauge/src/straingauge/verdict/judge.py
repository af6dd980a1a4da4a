"""The verdict: every demand compared with what was measured, and the worst of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from straingauge.result.format.result import FindingDict, Grade, Measurements, VerdictDict
from straingauge.verdict.grade import Threshold, fails, worst
from straingauge.verdict.metrics import value_of
from straingauge.verdict.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of a verdict: a threshold that was looked at, or what a test found by itself.

    Attributes:
        rule: What was looked at: a metric's name, or words such as "first 429".
        grade: What it earned.
        message: The finding in words, with its figures.
        endpoint: The endpoint it is about; empty: the whole run.
        value: The figure, in the metric's unit, where there is one.
        threshold: The threshold it was graded by, if any.
        cause: Id of the cause it speaks for (`straingauge.diagnosis`), where a test knows it.
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
    """What a run earned: the worst of its entries; "invalid" when nothing may be concluded."""

    grade: Grade | Literal["invalid"]
    findings: Sequence[Finding]

    @property
    def failed(self) -> bool:
        """Whether the test fails; an invalid run does, for it shows nothing."""
        return self.grade == "invalid" or fails(self.grade)

    @property
    def decisive(self) -> Sequence[Finding]:
        """The entries that earned the grade; none where all is well."""
        if self.grade in ("target", "acceptable"):
            return ()
        return [entry for entry in self.findings if entry.grade == self.grade]

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
    """Judge a result (without its verdict).

    Args:
        result: As `straingauge.result` lays it out, with all but its verdict.
        thresholds: What is demanded.
        findings: Further entries, from the test itself or from other rules.
        required: Endpoints that must have been called: thresholds for them without data fail.
    """
    entries = [
        _entry(result, metric, limits)
        for metric, limits in thresholds.for_run(result["name"]).items()
    ]
    called = [*result["endpoints"], *(name for name in required if name not in result["endpoints"])]
    entries += [
        _entry(result, metric, limits, endpoint)
        for endpoint in called
        for metric, limits in thresholds.endpoints.get(endpoint, {}).items()
    ]
    entries += findings
    if any(reason["severity"] == "invalid" for reason in result["validity"]["reasons"]):
        return Verdict("invalid", entries)
    return Verdict(worst([entry.grade for entry in entries]), entries)


def _entry(
    result: Mapping[str, Any], metric: str, limits: Threshold, endpoint: str = ""
) -> Finding:
    value = value_of(result, metric, endpoint or None)
    grade = limits.grade(value)
    subject = f"{endpoint} {metric}".strip()
    if value is None:
        message = f"{subject} was demanded, and there is no data for it"
    else:
        message = f"{subject} = {value:.6g} ({_compared(limits, grade)})"
    return Finding(metric, grade, message, endpoint, value, limits)


def _compared(limits: Threshold, grade: Grade) -> str:
    if grade == "target":
        return f"target {limits.target:g}"
    if grade == "acceptable":
        return f"target {limits.target:g} missed, warning from {limits.warning:g}"
    bound = "below" if limits.higher_is_better else "from"
    level = limits.critical if grade == "critical" else limits.warning
    return f"{grade} {bound} {level:g}"
