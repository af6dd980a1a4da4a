"""What load tests found, for people: terminal, page, Markdown; from their results alone."""

from straingauge.report.github import tell_github
from straingauge.report.terminal import verdict_table
from straingauge.report.words import (
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
    "tell_github",
    "verdict_table",
]
