"""The kinds of failures that a verdict reports, so that nothing else is explained."""

from collections.abc import Collection

from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.result_view import FAILING, POOL_WORDS, ResultView
from straingauge.diagnosis.topic import Topic, topic_of_metric
from straingauge.http.models import TIMEOUTS

_GENERATOR_REASONS = {"generator_saturated", "generator_late"}
_TYPICAL_TIMES = {"p50_ms", "avg_ms"}


def failed_topics(result: ResultView, grades: Collection[str] = FAILING) -> frozenset[Topic]:
    """Return the topics of a verdict's missed targets, warnings and failures.

    A finding whose rule is no metric may be about anything. Errors that are timeouts are a matter
    of speed as well. The response times of a saturated generator say nothing about the service.
    """
    entries = [entry for entry in result.failures if entry.get("grade") in grades]
    found: set[Topic] = set()
    if "rate_limited" in result.reasons:
        found.add("limits")
    if "setup_failed" in result.reasons:
        found.add("errors")
    for entry in entries:
        found.update(_topics_of(str(entry.get("rule")), entry.get("cause")))
    if "trend" in found:
        found.add("speed")
    if "errors" in found and _has_timeouts(result):
        found.add("speed")
    if _is_generator_to_blame(result, found):
        found.add("generator")
    if "generator_saturated" in result.reasons:
        found.discard("speed")
    return frozenset(found)


def _is_generator_to_blame(result: ResultView, failed: Collection[Topic]) -> bool:
    """Return true if the generator makes the run invalid, or was late in a run that is slow.

    A note on its lateness explains no error status and no broken connection, and nothing in a run
    that meets its thresholds.
    """
    late = [result.reasons[name] for name in _GENERATOR_REASONS & result.reasons.keys()]
    return any("speed" in failed or each.get("severity") == "invalid" for each in late)


def _topics_of(rule: str, cause: object) -> tuple[Topic, ...]:
    known = CAUSES.get(cause) if isinstance(cause, str) else None
    if known is not None:
        return known.topics
    topic = topic_of_metric(rule)
    if rule in _TYPICAL_TIMES:
        return ("speed", "trend")  # what is slow for all may have become so; a tail has not
    return (topic,) if topic else ("speed", "errors")


def _has_timeouts(result: ResultView) -> bool:
    timeouts = TIMEOUTS & result.errors.keys() or result.figure("resources", "pool", "timeouts")
    return bool(timeouts or result.error_matching(POOL_WORDS))
