"""Comparison of two results: changes, their confidence intervals, and verdicts."""

from straingauge.compare.comparison import CONFIDENCE, MARGIN_PERCENT, Comparison, compare
from straingauge.compare.paired import Paired, paired
from straingauge.compare.text import as_dict, markdown, table
from straingauge.compare.verdict import Change, FailOn, Verdict, verdict_of

__all__ = [
    "CONFIDENCE",
    "MARGIN_PERCENT",
    "Change",
    "Comparison",
    "FailOn",
    "Paired",
    "Verdict",
    "as_dict",
    "compare",
    "markdown",
    "paired",
    "table",
    "verdict_of",
]
