"""The diagnosis of several runs of one session as a whole, and the first failure of all."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from straingauge.diagnosis.cause import MAX_CONFIDENCE, FoundCause
from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.location import read_location
from straingauge.diagnosis.onset import missed_s
from straingauge.diagnosis.ranking import MAX_SHARE, ranked
from straingauge.diagnosis.result_view import FAILING, ResultView, listed, number
from straingauge.result.format import result as sections

FAILED = ("warning", "critical")  # an invalid run proves nothing
_REPEATED = 0.25  # of the confidence still missing, for each further test with the same cause


@dataclass(frozen=True, slots=True)
class FirstFailure:
    """The entry of a verdict that failed first.

    Attributes:
        test: The run's name.
        message: The entry's message.
        at_s: When it appeared, in seconds since the start of that run's load; None if unknown.
        opening: Words that introduce the message: a missed target breaks nothing.
    """

    test: str
    message: str
    at_s: float | None
    opening: str = "What broke first"

    def as_dict(self) -> sections.FirstFailure:
        """The object that a session file stores."""
        return {"test": self.test, "message": self.message, "at_s": self.at_s}


def diagnose_session(results: Sequence[Mapping[str, Any]]) -> list[sections.SessionCause]:
    """Return one diagnosis of all runs, best first.

    A cause found in several tests is more likely than one found in a single test, and a cause found
    in one test explains its symptoms in another; neither holds for causes that pass. What was found
    in tests that passed or are invalid explains nothing in those that failed. The evidence comes
    from the most confident test, and its places from another one if it has none.

    Args:
        results: With their ``diagnosis``; runs without one are ignored.

    Returns:
        Objects as of `diagnose`, each with ``tests``: the names of the runs that show the cause.
    """
    best: dict[str, FoundCause] = {}
    tests: dict[str, list[str]] = {}
    serious: set[str] = set()
    leading: set[str] = set()
    for result in results:
        fails = ResultView(result).at("verdict", "grade") in FAILED
        rows = ResultView(result).rows("diagnosis")
        for row in rows:
            cause = _read(row)
            if cause is None:
                continue
            tests.setdefault(cause.cause, []).append(str(result.get("name")))
            best[cause.cause] = _combined(best.get(cause.cause), cause)
            serious |= {cause.cause} if fails else set()
            if fails and row is rows[0]:
                leading.add(cause.cause)
    ordered = _ordered(best.values(), serious, leading)
    return [{**cause.as_dict(), "tests": tests[cause.cause]} for cause in ordered]


def first_failure(results: Sequence[Mapping[str, Any]]) -> FirstFailure | None:
    """Return the entry that failed, or missed its target, first; None where all met theirs.

    Only entries with the session's worst grade count. They are compared by the time at which
    their threshold was missed, where it is known; else by the confidence of their test's cause.
    Entries of an invalid run prove nothing.
    """
    entries = [
        (result, entry)
        for result in results
        for entry in ResultView(result).rows("verdict", "findings")
        if entry.get("grade") in FAILING and ResultView(result).at("verdict", "grade") != "invalid"
    ]
    if not entries:
        return None
    worst = max(FAILING.index(entry["grade"]) for _, entry in entries)
    by_confidence = [test for cause in diagnose_session(results) for test in cause["tests"]]
    result, entry = min(
        (pair for pair in entries if pair[1]["grade"] == FAILING[worst]),
        key=lambda pair: _order(pair[0], pair[1], by_confidence),
    )
    return FirstFailure(
        str(result.get("name")),
        str(entry.get("message")),
        _failed_s(result, entry),
        "Missed first" if entry["grade"] == "acceptable" else "What broke first",
    )


def _read(row: Mapping[str, Any]) -> FoundCause | None:
    """Read a cause from a result file; None where this version does not know it."""
    known = CAUSES.get(str(row.get("cause")))
    if known is None:
        return None
    return FoundCause(
        known.id,
        str(row.get("title")),
        number(row, "confidence") or 0.0,
        evidence=tuple(map(str, listed(row, "evidence"))),
        advice=tuple(map(str, listed(row, "advice"))),
        where=tuple(one for each in listed(row, "where") if (one := read_location(each))),
    )


def _ordered(
    found: Iterable[FoundCause], serious: Collection[str], leading: Collection[str]
) -> list[FoundCause]:
    """Sort causes, best first.

    Args:
        found: All causes.
        serious: Those of tests that failed. Others do not stand before a likely one of them.
        leading: Those that are the first of a test that failed. Causes that pass do not stand
            before a likely one of them, because they explain nothing in that test.
    """
    found = list(found)
    failed = ranked((c for c in found if c.cause in serious), of_one_run=False)
    passed = ranked((c for c in found if c.cause not in serious), of_one_run=False)
    lasting = [c for c in failed if c.cause in leading and not CAUSES[c.cause].passes]
    failed = [_below(c, lasting) if CAUSES[c.cause].passes else c for c in failed]
    minor = [_below(c, failed) for c in passed]
    return sorted((*failed, *minor), key=lambda cause: (-cause.confidence, cause.cause))


def _below(found: FoundCause, others: Iterable[FoundCause]) -> FoundCause:
    """Limit a confidence to less than that of the best of others, if that is likely."""
    best = max((c.confidence for c in others if c.is_likely), default=None)
    if best is None:
        return found
    return replace(found, confidence=min(found.confidence, best * MAX_SHARE))


def _combined(one: FoundCause | None, other: FoundCause) -> FoundCause:
    if one is None:
        return other
    best = max(one, other, key=lambda cause: cause.confidence)
    if CAUSES[best.cause].passes:
        return best
    lesser = min(one.confidence, other.confidence)
    missing = max(0.0, MAX_CONFIDENCE - best.confidence)
    return replace(
        best,
        confidence=best.confidence + missing * _REPEATED * lesser,
        where=best.where or one.where or other.where,
    )


def _order(
    result: Mapping[str, Any], entry: Mapping[str, Any], by_confidence: Sequence[str]
) -> tuple[float, int, float]:
    """Sort by time if known, then by place in `by_confidence`, then by the start of the run."""
    started_s, at_s = _started_s(result), _failed_s(result, entry)
    name = str(result.get("name"))
    place = by_confidence.index(name) if name in by_confidence else len(by_confidence)
    return (math.inf if at_s is None else started_s + at_s, place, started_s)


def _failed_s(result: Mapping[str, Any], entry: Mapping[str, Any]) -> float | None:
    """Return when a threshold was missed, or else the first of the slowest requests crossed it.

    The slowest requests are the last ones where response times rise.
    """
    view = ResultView(result)
    missed = missed_s(view, entry)
    if missed is not None:
        return missed
    limit_ms = number(entry, "threshold", "warning")
    if limit_ms is None or not str(entry.get("rule")).endswith("_ms"):
        return None
    where = entry.get("endpoint")
    times = (
        number(row, "start_s")
        for row in view.slowest
        if (number(row, "response_ms") or 0) >= limit_ms and where in ("", row.get("endpoint"))
    )
    return min((t_s for t_s in times if t_s is not None), default=None)


def _started_s(result: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(result.get("started_at"))).timestamp()
    except ValueError:
        return 0.0
