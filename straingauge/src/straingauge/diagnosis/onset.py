"""The moment at which a run begins to miss its thresholds, to exclude causes that came later."""

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from operator import ge, gt
from typing import Any

from straingauge.diagnosis.interval_times import quantile_ms
from straingauge.diagnosis.result_view import ResultView, number

# Processes are listed every 2 s, and an interval has at least 1 s.
TOLERANCE_S = 3.0
_PERCENTILE = re.compile(r"p(\d\d)_ms")
LIMITS = {"acceptable": "target", "warning": "warning", "critical": "critical"}


def broke_s(result: ResultView) -> float | None:
    """Return when the first failed threshold was missed for the first time; None if unknown.

    Only percentiles and error rates have a course over time. A threshold is missed from the first
    of two successive intervals in which its metric exceeds the limit, because a single one may be
    chance.
    """
    moments = (missed_s(result, entry) for entry in result.failures)
    return min((each for each in moments if each is not None), default=None)


def missed_s(result: ResultView, entry: Mapping[str, Any]) -> float | None:
    """Return when a failed threshold was missed for the first time; None if unknown."""
    limit = number(entry, "threshold", LIMITS[str(entry.get("grade"))])
    endpoint = str(entry.get("endpoint") or "")
    rows = result.rows(*(("endpoints", endpoint, "intervals") if endpoint else ("intervals",)))
    if limit is None:
        return None
    # A target is still met by a value that equals it; the other limits are not.
    misses = gt if entry.get("grade") == "acceptable" else ge
    values = [(number(row, "start_s"), _value(row, str(entry.get("rule")))) for row in rows]
    return _first_twice(values, lambda value: misses(value, limit))


def first_increase_s(result: ResultView, key: str) -> float | None:
    """Return when a sampled counter rose for the first time; None if it did not."""
    steps = pairwise(result.samples(key))
    return next((before_s for (before_s, before), (_, now) in steps if now > before), None)


def _first_twice(
    values: Iterable[tuple[float | None, float | None]], misses: Callable[[float], bool]
) -> float | None:
    for (start_s, value), (_, following) in pairwise(values):
        if value is None or following is None:
            continue
        if misses(value) and misses(following):
            return start_s
    return None


def _value(row: Mapping[str, Any], rule: str) -> float | None:
    """Return a metric of one interval."""
    percentile = _PERCENTILE.fullmatch(rule)
    if percentile is not None:
        return quantile_ms(row, int(percentile[1]) / 100)
    requests = number(row, "requests")
    if rule == "error_rate_percent" and requests:
        return 100 * (number(row, "errors") or 0.0) / requests
    return None
