"""The verdict on a run: its validity, and its grade by the thresholds. Pure functions."""

from straingauge.result.format.reason import Reason
from straingauge.result.format.result import Grade
from straingauge.verdict.grade import GRADES, Threshold, fails, worst
from straingauge.verdict.judge import Finding, Verdict, judge
from straingauge.verdict.metrics import METRICS, value_of
from straingauge.verdict.thresholds import LOCUST, Thresholds, thresholds_file
from straingauge.verdict.validity import check_validity
from straingauge.verdict.validity_input import ValidityInput

__all__ = [
    "GRADES",
    "LOCUST",
    "METRICS",
    "Finding",
    "Grade",
    "Reason",
    "Threshold",
    "Thresholds",
    "ValidityInput",
    "Verdict",
    "check_validity",
    "fails",
    "judge",
    "thresholds_file",
    "value_of",
    "worst",
]
