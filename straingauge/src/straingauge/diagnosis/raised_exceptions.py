"""The exceptions that explain failed requests: those in the service's log, or in the traces."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from straingauge.diagnosis.cause import Evidence
from straingauge.diagnosis.location import CodeLocation
from straingauge.diagnosis.result_view import ResultView, number

# Of the failed requests. A log also has exceptions that fail no request: what is logged far more
# often, or hardly ever, is none of theirs. Some servers and frameworks log the same one twice.
SELDOM: Final = 0.2
OFTEN: Final = 2.5
MOST: Final = 0.5  # have to have an exception, or else others may explain them
MAX_LOCATIONS: Final = 3


def with_exceptions(
    result: ResultView, evidence: Evidence, failed: float, has_status: Callable[[int], bool]
) -> Evidence:
    """Add the lines that raised the exceptions of failed requests.

    Traces have those of single requests. Those of a log only count if their number agrees.

    Args:
        result: The result.
        evidence: Evidence of failed requests.
        failed: How many failed in a way in which they do if the service raises an exception.
        has_status: Tells from its status, 0 without a response, whether a traced request is one of
            them.
    """
    rows = [
        (f"in {number(row, 'traces'):.0f} traced requests of {row.get('endpoint')}", row)
        for row in result.rows("traces", "exceptions")
        if row.get("file") and has_status(int(number(row, "status") or 0))
    ] or [
        (f"{number(row, 'count'):.0f} times in the service's log", row)
        for row in _of_log(result, failed)
    ]
    if not failed or not rows:
        return evidence
    rows = rows[:MAX_LOCATIONS]
    sentences = (
        f"{times}, with {failed:.0f} such failures: {row.get('type')} in {row.get('function')}"
        f" ({row.get('file')}:{row.get('line')})"
        for times, row in rows
    )
    where = tuple(
        CodeLocation(str(row.get("file")), int(number(row, "line") or 0), str(row.get("function")))
        for _, row in rows
    )
    return replace(evidence, sentences=(*evidence.sentences, *sentences), where=where)


def _of_log(result: ResultView, failed: float) -> list[Mapping[str, Any]]:
    counts = [(number(row, "count") or 0.0, row) for row in result.rows("exceptions")]
    fitting = [(n, row) for n, row in counts if SELDOM * failed <= n <= OFTEN * failed]
    return [row for _, row in fitting] if sum(n for n, _ in fitting) >= MOST * failed else []
