"""Pairs of causes that explain the same measurements, and what tells them apart."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from straingauge.diagnosis.cause import LIKELY, FoundCause

SHARED = 0.85  # of its confidence: the evidence of each one is that of the other as well
CLOSE = 0.35  # between two likely causes: one that is nearly certain has no rival at the limit


@dataclass(frozen=True, slots=True)
class Rivals:
    """Two causes that the same measurements can have.

    Attributes:
        causes: Their ids.
        difference: What to do or look at to tell them apart.
    """

    causes: tuple[str, str]
    difference: str


RIVALS = (
    Rivals(
        ("noisy_neighbour", "cpu_bound"),
        "repeat on an idle machine: a service that is still slow needs the CPU itself",
    ),
    Rivals(
        ("noisy_neighbour", "freeze"),
        "repeat on an idle machine: pauses that remain are the service's",
    ),
    Rivals(
        ("noisy_neighbour", "pool_exhausted"),
        "repeat on an idle machine: a pool that is too small for the load is still full",
    ),
    Rivals(
        ("noisy_neighbour", "event_loop_blocked"),
        "repeat on an idle machine: a loop that is still blocked runs blocking code",
    ),
    Rivals(
        ("generator_saturated", "event_loop_blocked"),
        "repeat with half the load: only a generator that was saturated is then in time",
    ),
    Rivals(
        ("load_shed", "database_away"),
        "repeat with half the load: an unreachable database still fails, a limit does not",
    ),
    Rivals(
        ("slow_dependency", "event_loop_blocked"),
        "a blocking call of the other service does both: if the calls are slow one at a time, make"
        " them asynchronous first",
    ),
    Rivals(
        ("slow_dependency", "slow_statement"),
        "compare the time of the statement with that of the call, in a trace of one slow request",
    ),
    Rivals(
        ("slow_start", "freeze"),
        "repeat with a warm-up: a slow start disappears, a pause comes again",
    ),
    Rivals(
        ("connection_resets", "idle_connections_closed"),
        "repeat with `Connection: close` on each request: only resets under load remain",
    ),
)


def with_rivals(found: Iterable[FoundCause], titles: Mapping[str, str]) -> list[FoundCause]:
    """Lower the confidence of rivals, and say what tells them apart; best first.

    Args:
        found: Causes in the order of their confidence, after those that explain others.
        titles: Titles of the causes, by id.
    """
    causes = {each.cause: each for each in found}
    before = {id_: each.confidence for id_, each in causes.items()}
    for pair in RIVALS:
        if not all(before.get(id_, 0.0) >= LIKELY for id_ in pair.causes):
            continue
        one, other = pair.causes
        if abs(before[one] - before[other]) > CLOSE:
            continue
        for id_, rival in ((one, other), (other, one)):
            advice = f"or {titles[rival]}, which looks the same here: {pair.difference}"
            causes[id_] = replace(
                causes[id_],
                confidence=min(causes[id_].confidence, SHARED * before[id_]),
                advice=(advice, *causes[id_].advice),
            )
    return sorted(causes.values(), key=lambda cause: (-cause.confidence, cause.cause))
