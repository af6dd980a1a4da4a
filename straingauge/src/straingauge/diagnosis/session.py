"""The diagnoses of several runs of one session, as one; and what broke first of all."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from straingauge.diagnosis.cause import CAUSES, SURE, Cause
from straingauge.diagnosis.ranking import ranked
from straingauge.diagnosis.result_view import FAILING, ResultView, listed, number

_AGAIN = 0.25  # of what is left to certainty, for each further test that found the same


@dataclass(frozen=True, slots=True)
class First:
    """What broke first.

    Attributes:
        test: The run's name.
        message: The entry of its verdict.
        at_s: When it showed, in seconds of that run's load; None: the order of time is not known.
    """

    test: str
    message: str
    at_s: float | None


def overall(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One diagnosis of all runs, best first.

    The same cause in several tests is surer than in one, and a cause found in one test accounts
    for what it explains in another. Evidence is of the test that shows it best.

    Args:
        results: With their ``diagnosis``; runs without one take no part.

    Returns:
        Objects as of `diagnose`, and ``tests`` with the names of the runs that show it.
    """
    best: dict[str, Cause] = {}
    tests: dict[str, list[str]] = {}
    for result in results:
        for row in ResultView(result).rows("diagnosis"):
            cause = _read(row)
            if cause is None:
                continue
            tests.setdefault(cause.cause, []).append(str(result.get("name")))
            best[cause.cause] = _surer(best.get(cause.cause), cause)
    return [{**cause.as_dict(), "tests": tests[cause.cause]} for cause in ranked(best.values())]


def broke_first(results: Sequence[Mapping[str, Any]]) -> First | None:
    """The entry that failed first; None where none did.

    Of the entries with the session's worst grade, by the first moment a slow request showed it,
    where that is known; else by how sure the cause is that its test shows. An invalid run's entries
    prove nothing.
    """
    entries = [
        (result, entry)
        for result in results
        for entry in ResultView(result).rows("verdict", "entries")
        if entry.get("grade") in FAILING and ResultView(result).at("verdict", "grade") != "invalid"
    ]
    if not entries:
        return None
    worst = max(FAILING.index(entry["grade"]) for _, entry in entries)
    surest = [test for cause in overall(results) for test in cause["tests"]]
    result, entry = min(
        (pair for pair in entries if pair[1]["grade"] == FAILING[worst]),
        key=lambda pair: _order(pair[0], pair[1], surest),
    )
    return First(str(result.get("name")), str(entry.get("message")), _crossed_s(result, entry))


def _read(row: Mapping[str, Any]) -> Cause | None:
    """A cause as a file has it; None of one that this version does not know."""
    known = next((cause for cause in CAUSES if cause == row.get("cause")), None)
    if known is None:
        return None
    sentences = (tuple(map(str, listed(row, key))) for key in ("evidence", "advice"))
    return Cause(known, str(row.get("title")), number(row, "confidence") or 0.0, *sentences)


def _surer(one: Cause | None, other: Cause) -> Cause:
    if one is None:
        return other
    best = max(one, other, key=lambda cause: cause.confidence)
    lesser = min(one.confidence, other.confidence)
    confidence = best.confidence + max(0.0, SURE - best.confidence) * _AGAIN * lesser
    return Cause(best.cause, best.title, confidence, best.evidence, best.advice)


def _order(
    result: Mapping[str, Any], entry: Mapping[str, Any], surest: Sequence[str]
) -> tuple[float, int, float]:
    """By the moment, if it is known; by the place among `surest`; by the start of the run."""
    started_s, at_s = _started_s(result), _crossed_s(result, entry)
    name = str(result.get("name"))
    place = surest.index(name) if name in surest else len(surest)
    return (math.inf if at_s is None else started_s + at_s, place, started_s)


def _crossed_s(result: Mapping[str, Any], entry: Mapping[str, Any]) -> float | None:
    """When the first of the slowest requests crossed what a latency threshold warns from."""
    limit_ms = number(entry, "limits", "warning")
    if limit_ms is None or not str(entry.get("rule")).endswith("_ms"):
        return None
    where = entry.get("where")
    moments = (
        number(row, "t_s")
        for row in ResultView(result).slowest
        if (number(row, "response_ms") or 0) >= limit_ms and where in ("", row.get("endpoint"))
    )
    return min((t_s for t_s in moments if t_s is not None), default=None)


def _started_s(result: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(result.get("started_at"))).timestamp()
    except ValueError:
        return 0.0
