"""Repeated and slow statements in the traces, with or without statistics of the database."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from straingauge.diagnosis import traced
from straingauge.diagnosis.cause import Evidence, scale
from straingauge.diagnosis.database_time import limited
from straingauge.diagnosis.location import StatementLocation
from straingauge.diagnosis.result_view import ResultView, number
from straingauge.diagnosis.statement_loops import MIN_REPEATS
from straingauge.number_text import plain

MIN_TRACES: Final = 3
REFUTED: Final = 0.3  # the traces show that requests run it once
MOST_FROM_TRACES: Final = 0.85  # times without load, of an instrumented service
SLOW_MS: Final = 10.0
_READS_OR_WRITES: Final = re.compile(
    r"^\s*(with|select|insert|update|delete|merge)\b", re.IGNORECASE
)


def confirmed_by_traces(
    result: ResultView, evidence: Evidence, statement: Mapping[str, Any]
) -> Evidence:
    """Add the endpoint and the span in which a repeated statement runs.

    If requests of all endpoints run it once in their traces, it is no loop.
    """
    rows = traced.of_statement(result, statement.get("query"))
    if not rows:
        return evidence
    worst = max(rows, key=lambda row: number(row, "most_per_request") or 0.0)
    if (number(worst, "most_per_request") or 0.0) < MIN_REPEATS:
        return replace(evidence, confidence=min(evidence.confidence, REFUTED))
    endpoint = str(worst.get("endpoint"))
    where = StatementLocation(str(statement.get("query")), endpoint)
    return replace(evidence, sentences=(*evidence.sentences, _sentence(worst)), where=(where,))


def repeated_in_traces(result: ResultView) -> Evidence | None:
    """Return evidence of a statement that requests repeat in their traces; None if none is."""
    rows = [
        row
        for row in traced.statements(result)
        if (number(row, "per_request") or 0.0) >= MIN_REPEATS
        and (number(row, "traces") or 0.0) >= MIN_TRACES
        and _READS_OR_WRITES.search(str(row.get("statement")))
    ]
    if not rows:
        return None
    worst = max(rows, key=lambda row: number(row, "share") or 0.0)
    repeats, share = (number(worst, key) or 0.0 for key in ("per_request", "share"))
    confidence = limited(min(scale(repeats, 3, 8), MOST_FROM_TRACES), share)
    if not confidence:
        return None
    return Evidence(confidence, (_sentence(worst),), where=(_location(worst),))


def slow_in_traces(result: ResultView) -> Evidence | None:
    """Return evidence of a statement that is slow in the traces; None if none is."""
    rows = [row for row in traced.statements(result) if (number(row, "avg_ms") or 0.0) >= SLOW_MS]
    if not rows:
        return None
    worst = max(rows, key=lambda row: number(row, "share") or 0.0)
    average_ms, share = (number(worst, key) or 0.0 for key in ("avg_ms", "share"))
    confidence = limited(min(scale(average_ms, 20, 100), MOST_FROM_TRACES), share)
    if not confidence:
        return None
    sentence = (
        f"{average_ms:,.0f} ms on average, {share:.0%} of the time of {worst.get('endpoint')} in"
        " its"
        f" traces: {_shown(worst)}"
    )
    return Evidence(confidence, (sentence,), where=(_location(worst),))


def _sentence(row: Mapping[str, Any]) -> str:
    endpoint, parent = str(row.get("endpoint")), str(row.get("parent"))
    within = "" if parent == endpoint else f" within {parent},"
    return (
        f"{plain(number(row, 'per_request') or 0, 3)} times per traced request of"
        f" {endpoint},{within}"
        f" {number(row, 'share'):.0%} of its time: {_shown(row)}"
    )


def _location(row: Mapping[str, Any]) -> StatementLocation:
    return StatementLocation(str(row.get("statement")), str(row.get("endpoint")))


def _shown(row: Mapping[str, Any]) -> str:
    text = str(row.get("statement"))
    return text if len(text) <= 160 else f"{text[:157]}..."
