"""The kinds of failures that a verdict reports, so that nothing else is explained."""

from straingauge.diagnosis.causes import CAUSES
from straingauge.diagnosis.result_view import POOL_WORDS, ResultView
from straingauge.diagnosis.topic import Topic, topic_of_metric

_GENERATOR_REASONS = {"generator_saturated", "generator_late"}
_TYPICAL_TIMES = {"p50_ms", "avg_ms"}


def failed_topics(result: ResultView) -> frozenset[Topic]:
    """Return the topics of a verdict's missed targets, warnings and failures.

    A finding whose rule is no metric may be about anything. Errors that are timeouts are a matter
    of speed as well. The response times of a saturated generator say nothing about the service.
    """
    found: set[Topic] = {"generator"} if result.reasons.keys() & _GENERATOR_REASONS else set()
    if "rate_limited" in result.reasons:
        found.add("limits")
    if "setup_failed" in result.reasons:
        found.add("errors")
    for entry in result.failures:
        found.update(_topics_of(str(entry.get("rule")), entry.get("cause")))
    if "trend" in found:
        found.add("speed")
    if "errors" in found and _has_timeouts(result):
        found.add("speed")
    if "generator_saturated" in result.reasons:
        found.discard("speed")
    return frozenset(found)


def _topics_of(rule: str, cause: object) -> tuple[Topic, ...]:
    known = CAUSES.get(cause) if isinstance(cause, str) else None
    if known is not None:
        return known.topics
    topic = topic_of_metric(rule)
    if rule in _TYPICAL_TIMES:
        return ("speed", "trend")  # what is slow for all may have become so; a tail has not
    return (topic,) if topic else ("speed", "errors")


def _has_timeouts(result: ResultView) -> bool:
    timeouts = result.errors.get("timeout") or result.figure("resources", "pool", "timeouts")
    return bool(timeouts or result.error_matching(POOL_WORDS))
