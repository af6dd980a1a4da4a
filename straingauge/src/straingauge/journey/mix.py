"""Weighted mixes of journeys, exact over each cycle and equal in every process."""

from collections.abc import Callable
from functools import reduce
from math import gcd
from typing import TypeVar

from straingauge.errors import UsageError
from straingauge.journey.execution import Journey, journey_name, require_journey

JourneyT = TypeVar("JourneyT", bound=Journey)


class Mix:
    """Weighted journeys, interleaved evenly: (a, 5), (b, 1) gives a a a b a a, over and over.

    The n-th journey is a pure function of n, so processes that share a load agree.

    Attributes:
        weights: the journeys with their weights.
    """

    __slots__ = ("_cycle", "weights")

    def __init__(self, weights: tuple[tuple[Journey, int], ...]) -> None:
        if not weights:
            raise UsageError("a mix needs at least one journey")
        for journey, weight in weights:
            require_journey(journey)
            if weight < 1:
                raise UsageError(
                    f"the weight of {journey_name(journey)} must be 1 or more, not {weight}"
                )
        self.weights = weights
        self._cycle = _interleave(weights)

    def pick(self, n: int) -> Journey:
        """Return the n-th journey."""
        return self._cycle[n % len(self._cycle)]

    def tagged(self, *tags: str) -> "Mix":
        """Return a mix of the journeys with one of these tags.

        Raises:
            UsageError: there is none.
        """
        chosen = tuple((j, weight) for j, weight in self.weights if tags_of(j) & set(tags))
        if not chosen:
            known = sorted({tag for journey, _ in self.weights for tag in tags_of(journey)})
            raise UsageError(
                f"no journey is tagged {' or '.join(tags)}", hint=f"known tags: {', '.join(known)}"
            )
        return Mix(chosen)


def mix(*weights: Journey | tuple[Journey, int]) -> Mix:
    """Combine journeys, each alone (weight 1) or as (journey, weight).

    Args:
        weights: The journeys; a weight is a whole number, 1 or more.

    Raises:
        UsageError: There is no journey, or a weight is less than 1.
    """
    return Mix(tuple(each if isinstance(each, tuple) else (each, 1) for each in weights))


def tagged(*tags: str) -> Callable[[JourneyT], JourneyT]:
    """Decorate a journey with tags, by which it can be selected.

    Args:
        tags: The tags, as `straingauge run --tags` names them.
    """

    def mark(journey: JourneyT) -> JourneyT:
        # An attribute, so that a tagged journey remains the same function.
        journey.tags = frozenset(tags)  # type: ignore[attr-defined]
        return journey

    return mark


def tags_of(journey: Journey) -> frozenset[str]:
    """Return the tags of a journey."""
    tags: frozenset[str] = getattr(journey, "tags", frozenset())
    return tags


def _interleave(weights: tuple[tuple[Journey, int], ...]) -> tuple[Journey, ...]:
    """One cycle, by smooth weighted round-robin, as nginx balances (commit 52327e0, 2012)."""
    divisor = reduce(gcd, (weight for _, weight in weights))
    steps = [weight // divisor for _, weight in weights]
    total, credit, cycle = sum(steps), [0] * len(steps), []
    for _ in range(total):
        credit = [have + step for have, step in zip(credit, steps, strict=True)]
        best = credit.index(max(credit))
        credit[best] -= total
        cycle.append(weights[best][0])
    return tuple(cycle)
