"""All rules, what each may account for, and which of them speak up though all thresholds hold."""

from collections.abc import Mapping

from straingauge.diagnosis import (
    database,
    errors,
    generator,
    growth,
    integrity,
    pool,
    rate_limits,
    service,
)
from straingauge.diagnosis import latency as tails
from straingauge.diagnosis.cause import CauseId, Rules
from straingauge.diagnosis.result_view import POOL_WORDS, ResultView, Topic, topic_of_metric

_FAMILIES = (database, pool, service, growth, tails, errors, rate_limits, integrity, generator)
RULES: Rules = {cause: rule for family in _FAMILIES for cause, rule in family.RULES.items()}

_SPEED: tuple[Topic, ...] = ("speed",)
_ERRORS: tuple[Topic, ...] = ("errors",)
_GROWTH: tuple[Topic, ...] = ("growth",)
_LIMITS: tuple[Topic, ...] = ("limits",)
_DATA: tuple[Topic, ...] = ("data",)

ACCOUNTS_FOR: Mapping[CauseId, tuple[Topic, ...]] = {
    "pool_exhausted": _SPEED,
    "connections_leaked": ("speed", "errors", "growth"),
    "slow_statement": _SPEED,
    "missing_index": _SPEED,
    "n_plus_one": _SPEED,
    "lock_contention": ("speed", "errors"),
    "event_loop_blocked": _SPEED,
    "cpu_bound": _SPEED,
    "memory_leak": _GROWTH,
    "file_leak": ("growth", "errors"),
    "thread_leak": ("growth", "errors"),
    "freeze": _SPEED,
    "endpoint_errors": _ERRORS,
    "connection_resets": _ERRORS,
    "wrong_content": _ERRORS,
    "slow_endpoint": _SPEED,
    "slow_tail": _SPEED,
    "slowing_down": ("trend",),
    "rate_limiter_tight": _LIMITS,
    "rate_limiter_absent": _LIMITS,
    "rate_limiter_loose": _LIMITS,
    "rate_limiter_per_process": _LIMITS,
    "rate_limiter_untrue": _LIMITS,
    "keep_alive_off": ("speed", "errors"),
    "jobs_not_draining": ("speed", "data"),
    "lost_writes": _DATA,
    "doubled_writes": _DATA,
    "altered_writes": _DATA,
    "foreign_data": _DATA,
    "generator_saturated": ("generator",),
    "noisy_neighbour": ("generator", "speed"),
    "database_away": _ERRORS,
    "slow_start": _SPEED,
    "service_restarted": ("errors",),
}

ALARMS: Mapping[CauseId, float] = {
    "memory_leak": 0.85,
    "file_leak": 0.85,
    "thread_leak": 0.85,
    "connections_leaked": 0.85,
    "event_loop_blocked": 0.85,
    "freeze": 0.85,
    "n_plus_one": 0.9,
    "missing_index": 0.9,
    "keep_alive_off": 0.85,
    "jobs_not_draining": 0.85,
}
"""Dangers: from this confidence on they are warnings of their own, whatever the thresholds say.

Each of them gets worse with time, users or rows, so that today's response times are no excuse.
"""

NOTES: frozenset[CauseId] = frozenset({"service_restarted"})
"""Said in any case, and never a warning."""


def topics(facts: ResultView) -> frozenset[Topic]:
    """What the verdict complains of, so that nothing else is explained.

    A finding that no metric's name tells of may be about anything. Errors that are waits given up
    are a matter of speed as well; figures of a saturated generator are none of the service's.
    """
    found: set[Topic] = {"generator"} if facts.reasons.keys() & _OF_THE_GENERATOR else set()
    if facts.reasons.keys() & {"rate_limited"}:
        found.add("limits")
    if "setup_failed" in facts.reasons:
        found.add("errors")
    for entry in facts.complaints:
        found.update(_topics_of(str(entry.get("rule")), entry.get("cause")))
    if "trend" in found:
        found.add("speed")
    if "errors" in found and _waited_in_vain(facts):
        found.add("speed")
    if "generator_saturated" in facts.reasons:
        found.discard("speed")
    return frozenset(found)


_OF_THE_GENERATOR = {"generator_saturated", "generator_late"}
_TYPICAL = {"p50_ms", "avg_ms"}


def _topics_of(rule: str, cause: object) -> tuple[Topic, ...]:
    known = next((each for each in ACCOUNTS_FOR if each == cause), None)
    if known is not None:
        return ACCOUNTS_FOR[known]
    topic = topic_of_metric(rule)
    if rule in _TYPICAL:
        return ("speed", "trend")  # what is slow for all may have become so; a tail has not
    return (topic,) if topic else ("speed", "errors")


def _waited_in_vain(facts: ResultView) -> bool:
    waits = facts.errors.get("timeout") or facts.figure("resources", "pool", "timeouts")
    return bool(waits or facts.said(POOL_WORDS))
