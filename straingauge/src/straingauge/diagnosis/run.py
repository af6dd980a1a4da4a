"""The diagnosis of one run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from straingauge.diagnosis.cause import Cause
from straingauge.diagnosis.ranking import ranked
from straingauge.diagnosis.reported import reported_by_tests
from straingauge.diagnosis.result_view import ResultView
from straingauge.diagnosis.rules import ACCOUNTS_FOR, ALARMS, NOTES, RULES, topics
from straingauge.verdict import Finding

WORTH_SAYING = 0.2


def diagnose(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What accounts for a result's verdict, best first; empty where nothing is to explain.

    Args:
        result: With its verdict, as its file has it; any other part may be null or missing.

    Returns:
        Objects with ``cause`` (an id), ``title``, ``confidence`` (0..1), ``evidence`` and
        ``advice`` (sentences).
    """
    facts = ResultView(result)
    complained = topics(facts)
    found = []
    for cause in RULES:
        seen = RULES[cause](facts)
        told = reported_by_tests(cause)(facts)
        if told is None and not (seen and _may_speak(seen, complained)):
            continue
        found.append(_joined(told, seen))
    said = [cause for cause in ranked(found) if cause.confidence >= WORTH_SAYING]
    return [cause.as_dict() for cause in said]


def dangers(result: Mapping[str, Any]) -> list[Finding]:
    """Causes so evident that they are warnings, even where every threshold holds.

    Args:
        result: Without its verdict.
    """
    facts = ResultView(result)
    found = [seen for cause in ALARMS if (seen := RULES[cause](facts)) and _alarming(seen)]
    return [
        Finding(cause.title, "warning", cause.evidence[0], cause=cause.cause)
        for cause in ranked(found)
        if _alarming(cause)
    ]


def _may_speak(cause: Cause, complained: frozenset[str]) -> bool:
    accounts = bool(complained.intersection(ACCOUNTS_FOR[cause.cause]))
    return accounts or cause.cause in NOTES or _alarming(cause)


def _alarming(cause: Cause) -> bool:
    return cause.confidence >= ALARMS.get(cause.cause, 1.0)


def _joined(told: Cause | None, seen: Cause | None) -> Cause:
    """What a test said and what a rule saw of one cause: the test's words first."""
    if told is None or seen is None:
        one = told or seen
        assert one is not None
        return one
    confidence = max(told.confidence, seen.confidence)
    evidence = tuple(dict.fromkeys((*told.evidence, *seen.evidence)))
    return replace(seen, confidence=confidence, evidence=evidence)
