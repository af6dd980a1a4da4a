"""Results for readers: terminal, HTML page, Markdown; made from result files alone."""

from straingauge.report.github import write_github
from straingauge.report.text import (
    Found,
    Remark,
    Result,
    advice,
    decided_by,
    diagnosis,
    error_lines,
    grade,
    invalid_reason,
    remarks,
    summary_line,
)
from straingauge.report.verdict_table import verdict_table

__all__ = [
    "Found",
    "Remark",
    "Result",
    "advice",
    "decided_by",
    "diagnosis",
    "error_lines",
    "grade",
    "invalid_reason",
    "remarks",
    "summary_line",
    "verdict_table",
    "write_github",
]
