"""Which cause stands first: the one that accounts for the others, not the one that shows most."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from straingauge.diagnosis.cause import Cause, CauseId

_WAITING: frozenset[CauseId] = frozenset(
    {"pool_exhausted", "slow_endpoint", "slow_tail", "slowing_down", "slow_start"}
)
_STANDSTILL: frozenset[CauseId] = _WAITING | {"freeze", "endpoint_errors"}

EXPLAINS: Mapping[CauseId, frozenset[CauseId]] = {
    # The machine, before anything that runs on it.
    "noisy_neighbour": frozenset(
        {"generator_saturated", "cpu_bound", "slow_endpoint", "slow_tail", "slowing_down"}
    ),
    "generator_saturated": frozenset({"slow_endpoint", "slow_tail", "slowing_down", "freeze"}),
    # A database that is away is waited for by all.
    "database_away": _STANDSTILL | {"slow_statement", "jobs_not_draining", "connections_leaked"},
    # A request that needs a connection for longer makes the pool too small, and so do more of them.
    "missing_index": _WAITING | {"slow_statement", "freeze", "endpoint_errors"},
    "n_plus_one": _WAITING | {"slow_statement", "cpu_bound", "event_loop_blocked"},
    "lock_contention": _STANDSTILL | {"slow_statement"},
    "slow_statement": _WAITING,
    # A leaked connection is a socket and some memory, and sits in a transaction; and so does each
    # request that waits for it.
    "connections_leaked": _STANDSTILL | {"file_leak", "lock_contention", "memory_leak"},
    "pool_exhausted": _STANDSTILL - {"pool_exhausted"},
    # Who computes holds up the loop, and who holds up the loop holds up everybody.
    "cpu_bound": _STANDSTILL | {"event_loop_blocked"},
    "event_loop_blocked": _STANDSTILL,
    "freeze": frozenset({"slow_endpoint", "slow_tail", "slowing_down"}),
    # What is used up in the end breaks connections and processes.
    "file_leak": frozenset({"endpoint_errors", "connection_resets", "memory_leak"}),
    "thread_leak": frozenset({"memory_leak", "cpu_bound"}),
    "memory_leak": frozenset({"slowing_down", "service_restarted"}),
    "service_restarted": frozenset({"connection_resets", "slow_start", "endpoint_errors"}),
    "keep_alive_off": frozenset({"connection_resets"}),
    "slow_start": frozenset({"slow_tail"}),
    "slowing_down": frozenset({"slow_endpoint", "slow_tail"}),
    "slow_endpoint": frozenset({"slow_tail"}),
    # One limiter, several symptoms.
    "rate_limiter_per_process": frozenset({"rate_limiter_loose"}),
    "rate_limiter_absent": frozenset({"rate_limiter_loose", "rate_limiter_untrue"}),
    # What was acknowledged and lost is not found again, nor is what was never begun.
    "lost_writes": frozenset({"altered_writes"}),
    "wrong_content": frozenset({"altered_writes"}),
}
"""Cause -> what it makes appear besides itself. No circles; chains count as a whole."""

_BELOW = 0.9  # of its explanation's confidence: what is accounted for ranks below what does


def ranked(causes: Iterable[Cause]) -> list[Cause]:
    """Causes, best first, after those that others account for have been lowered.

    A cause that holds lowers what it explains, by half of its own confidence and in any case below
    itself. One that does not hold explains nothing.
    """
    found = {cause.cause: cause for cause in causes}
    for cause in _roots_first():
        explanation = found.get(cause)
        if explanation is None or not explanation.holds:
            continue
        for symptom in EXPLAINS[cause] & found.keys():
            found[symptom] = _lowered(found[symptom], explanation.confidence)
    return sorted(found.values(), key=lambda cause: (-cause.confidence, cause.cause))


def _lowered(symptom: Cause, by: float) -> Cause:
    confidence = min(symptom.confidence * (1 - by / 2), by * _BELOW)
    return replace(symptom, confidence=confidence)


def _roots_first() -> list[CauseId]:
    """Each cause before what it explains.

    Raises:
        graphlib.CycleError: Causes that explain each other.
    """
    order = TopologicalSorter(EXPLAINS).static_order()  # gives what is explained before its cause
    return [cause for cause in reversed(list(order)) if cause in EXPLAINS]
