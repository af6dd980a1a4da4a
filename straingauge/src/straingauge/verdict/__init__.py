"""The verdict: is this run valid, and does it hold what thresholds.toml demands? Pure."""

from straingauge.verdict.grade import GRADES, Grade, Limits, fails, worst
from straingauge.verdict.judge import Finding, Verdict, judge
from straingauge.verdict.metrics import METRICS, value_of
from straingauge.verdict.thresholds import LOCUST, Thresholds
from straingauge.verdict.validity import Evidence, Reason, examine

__all__ = [
    "GRADES",
    "LOCUST",
    "METRICS",
    "Evidence",
    "Finding",
    "Grade",
    "Limits",
    "Reason",
    "Thresholds",
    "Verdict",
    "examine",
    "fails",
    "judge",
    "value_of",
    "worst",
]
