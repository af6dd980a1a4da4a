"""The order of causes: one that explains the others comes first, not the most visible one."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from graphlib import TopologicalSorter

from straingauge.diagnosis.cause import Cause, FoundCause
from straingauge.diagnosis.causes import CAUSES

MAX_SHARE = 0.9  # a symptom has at most this share of its explanation's confidence


def explanations(causes: Mapping[str, Cause]) -> dict[str, frozenset[str]]:
    """Each cause and the symptoms it brings about, of both ways to declare that.

    Raises:
        ValueError: A declaration names a cause that does not exist.
    """
    pairs = {(each.id, symptom) for each in causes.values() for symptom in each.explains}
    pairs |= {(root, each.id) for each in causes.values() for root in each.explained_by}
    if unknown := {name for pair in pairs for name in pair} - causes.keys():
        raise ValueError(f"no such cause: {', '.join(sorted(unknown))}")
    return {
        root: frozenset(symptom for each, symptom in pairs if each == root)
        for root in {root for root, _ in pairs}
    }


EXPLAINS = explanations(CAUSES)


def ranked(causes: Iterable[FoundCause], *, of_one_run: bool = True) -> list[FoundCause]:
    """Sort causes, best first, after lowering those that others explain.

    A likely cause lowers what it explains by half of that cause's confidence, and in any case below
    that cause. One that is not likely explains nothing.

    Args:
        causes: The causes.
        of_one_run: False if they come from several runs: what passes explains nothing in another.
    """
    found = {cause.cause: cause for cause in causes}
    for root in _roots_first():
        explanation = found.get(root)
        if explanation is None or not explanation.is_likely:
            continue
        if CAUSES[root].passes and not of_one_run:
            continue
        for symptom in EXPLAINS[root] & found.keys():
            found[symptom] = _lowered(found[symptom], explanation.confidence)
    return sorted(found.values(), key=lambda cause: (-cause.confidence, cause.cause))


def _lowered(symptom: FoundCause, by: float) -> FoundCause:
    confidence = min(symptom.confidence * (1 - by / 2), by * MAX_SHARE)
    return replace(symptom, confidence=confidence)


def _roots_first() -> list[str]:
    """Sort the causes that explain something before what they explain.

    Raises:
        graphlib.CycleError: Causes explain each other.
    """
    symptoms_first = TopologicalSorter(EXPLAINS).static_order()
    return [cause for cause in reversed(list(symptoms_first)) if cause in EXPLAINS]
