"""The diagnosis of one run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from straingauge.diagnosis.cause import Cause, Evidence, FoundCause
from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.failed_topics import failed_topics
from straingauge.diagnosis.onset import broke_s
from straingauge.diagnosis.ranking import MAX_SHARE, ranked
from straingauge.diagnosis.result_view import FAILING, ResultView
from straingauge.diagnosis.rivals import with_rivals
from straingauge.diagnosis.topic import Topic
from straingauge.result.format.result import CauseDict
from straingauge.verdict import Finding

MIN_CONFIDENCE = 0.2  # below it a cause is noise to a reader
REPORTED_CONFIDENCE = {
    "critical": 0.95,
    "warning": 0.85,
    "acceptable": 0.5,
}  # of a test that names the cause


def diagnose(result: Mapping[str, Any]) -> list[CauseDict]:
    """Return the causes that account for a result's verdict, best first.

    Args:
        result: The content of a result file with its verdict; other parts may be null or missing.

    Returns:
        Objects with ``cause`` (an id), ``title``, ``confidence`` (0..1), ``evidence`` and
        ``advice`` (sentences). Empty where nothing failed.
    """
    view = ResultView(result)
    topics = failed_topics(view)
    serious = failed_topics(view, ("warning", "critical"))
    began_s = broke_s(view)
    found = []
    for cause in CAUSES.values():
        detected = cause.detect(view, began_s)
        reported = _reported(cause, view, detected)
        if reported is None and not (detected and _is_relevant(detected, topics)):
            continue
        if reported is None and detected and not _is_relevant(detected, serious):
            if not _accounts_for_target(detected):
                continue
            detected = _limited(detected, REPORTED_CONFIDENCE["acceptable"])
        found.append(_joined(reported, detected))
    titles = {each.id: each.title for each in CAUSES.values()}
    best_first = with_rivals(_worst_first(ranked(found), view), titles)
    return [cause.as_dict() for cause in best_first if cause.confidence >= MIN_CONFIDENCE]


def warnings(result: Mapping[str, Any]) -> list[Finding]:
    """Return the causes that are warnings by themselves, even if every threshold passes.

    Args:
        result: The content of a result file without its verdict.
    """
    view = ResultView(result)
    candidates = (each for each in CAUSES.values() if each.warns_from is not None)
    found = [one for cause in candidates if (one := cause.detect(view)) and _warns(one)]
    return [
        Finding(cause.title, "warning", cause.evidence[0], cause=cause.cause)
        for cause in ranked(found)
        if _warns(cause)
    ]


def _reported(cause: Cause, view: ResultView, detected: FoundCause | None) -> FoundCause | None:
    """Return a cause that findings name, with their messages as evidence.

    A finding that is the cause's own warning does not make it the cause of other failures that are
    as serious.
    """
    entries = [entry for entry in view.failures if entry.get("cause") == cause.id]
    if not entries:
        return None
    worst = max((entry["grade"] for entry in entries), key=FAILING.index)
    confidence = REPORTED_CONFIDENCE[worst]
    own = all(entry.get("rule") == cause.title for entry in entries)
    if own and detected is not None and view.has_unexplained_failures(worst):
        confidence = min(confidence, detected.confidence)
    messages = dict.fromkeys(str(entry.get("message")) for entry in entries)
    return cause.found(Evidence(confidence, tuple(messages)))


def _is_relevant(found: FoundCause, topics: frozenset[Topic]) -> bool:
    cause = CAUSES[found.cause]
    return bool(topics.intersection(cause.topics)) or _warns(found)


def _accounts_for_target(found: FoundCause) -> bool:
    """Return whether a cause is worth a line where a target was missed and nothing failed.

    The user's own thresholds call such a run acceptable. That a few, or the first, requests are
    slow is what the missed target says already; and what is unlikely would make a healthy service
    look like a faulty one.
    """
    return found.is_likely and (bool(found.where) or not CAUSES[found.cause].describes)


def _worst_first(found: list[FoundCause], view: ResultView) -> list[FoundCause]:
    """Let no cause of a warning alone stand before a likely cause of what is critical."""
    critical = failed_topics(view, ("critical",))
    accounts = {
        each.cause: bool(critical.intersection(CAUSES[each.cause].topics)) for each in found
    }
    best = max((c.confidence for c in found if accounts[c.cause] and c.is_likely), default=1.0)
    return [c if accounts[c.cause] else _limited(c, best * MAX_SHARE) for c in found]


def _limited(found: FoundCause, most: float) -> FoundCause:
    return replace(found, confidence=min(found.confidence, most))


def _warns(found: FoundCause) -> bool:
    least = CAUSES[found.cause].warns_from
    return least is not None and found.confidence >= least


def _joined(reported: FoundCause | None, detected: FoundCause | None) -> FoundCause:
    """Join what a test reported and what a rule detected of one cause, the test's words first."""
    if reported is None or detected is None:
        one = reported or detected
        assert one is not None
        return one
    confidence = max(reported.confidence, detected.confidence)
    evidence = tuple(dict.fromkeys((*reported.evidence, *detected.evidence)))
    return replace(detected, confidence=confidence, evidence=evidence)
