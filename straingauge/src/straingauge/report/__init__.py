"""What load tests found, for people: terminal, page, Markdown; from their results alone."""

from straingauge.report.github import write_github
from straingauge.report.terminal import verdict_table
from straingauge.report.text import (
    Found,
    Remark,
    Result,
    advice,
    decided_by,
    diagnosis,
    errors_seen,
    grade,
    in_ms,
    invalid_reason,
    remarks,
    summary_line,
)

__all__ = [
    "Found",
    "Remark",
    "Result",
    "advice",
    "decided_by",
    "diagnosis",
    "errors_seen",
    "grade",
    "in_ms",
    "invalid_reason",
    "remarks",
    "summary_line",
    "verdict_table",
    "write_github",
]
