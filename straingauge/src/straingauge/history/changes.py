"""Shifts of level in a series of measurements.

Binary segmentation on ranks: a series is split where its two parts differ most, if a permutation
test finds that significant, and the parts are treated likewise. Where no split is significant, the
segment that differs most from all others is cut out (circular binary segmentation). At the end,
each shift must be significant between the two levels next to it.

    A. N. Pettitt: A non-parametric approach to the change-point problem. Applied Statistics 28
    (1979), 126-135.
    A. B. Olshen, E. S. Venkatraman, R. Lucito, M. Wigler: Circular binary segmentation for the
    analysis of array-based DNA copy number data. Biostatistics 5 (2004), 557-572.

Segments find a level that came and went, as with a regression and its fix, where the halves of the
series hardly differ; splits are fewer, and so fewer differ by chance. Ranks are robust against the
outliers of load tests on shared machines. Permutations assume no distribution, only that the
measurements of one level could have come in any order: a slow drift violates that, and shows as
several steps.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

LEVEL: Final = 0.01  # probability of a shift where there is none, in each part
PERMUTATIONS: Final = 1999
AT_ONCE: Final = 4_000_000  # numbers in memory
SHORTEST: Final = 3  # measurements of a level: one or two may be outliers
ENOUGH: Final = 14  # measurements in which the clearest shift is found, 4 of them on the new level
MOST: Final = 400  # the latest, a year's runs; more would take minutes
SEED: Final = 20260102  # the same series always gives the same result


def change_points(values: Sequence[float], *, level: float = LEVEL) -> list[int]:
    """Find the first index of each new level, in order.

    The clearest shift takes about `ENOUGH` measurements to be found.

    Args:
        values: Finite, in order of time; if more than `MOST`, the latest are used.
        level: Accepted probability of a shift where there is none.
    """
    latest = np.asarray(values[-MOST:], dtype=np.float64)
    chance = np.random.default_rng(SEED)
    found = sorted(_split(latest, 0, level, chance))
    return [len(values) - len(latest) + at for at in _held(latest, found, level, chance)]


def _split(values: Floats, offset: int, level: float, chance: np.random.Generator) -> set[int]:
    """Ends of segments that differ, not yet tested one by one."""
    count = len(values)
    if count < 2 * SHORTEST:
        return set()
    ranks = _ranks(values)
    for firsts, ends in (_splits(count), _stretches(count)):
        evidence = _evidence(ranks[np.newaxis], firsts, ends)[0]
        by_chance = _largest_by_chance(ranks, firsts, ends, chance)
        if _p_value(by_chance, evidence.max()) <= level / 2:  # since two tests are made
            best = int(evidence.argmax())
            break
    else:
        return set()
    bounds = sorted({0, int(firsts[best]), int(ends[best]), count})
    inner = {offset + at for at in bounds[1:-1]}
    parts = pairwise(bounds)
    return inner.union(
        *(_split(values[first:end], offset + first, level, chance) for first, end in parts)
    )


def _held(
    values: Floats, found: Sequence[int], level: float, chance: np.random.Generator
) -> list[int]:
    """The shifts that are significant between their levels; the weakest is dropped first."""
    kept = list(found)
    while kept:
        bounds = [0, *kept, len(values)]
        p_values = [
            _between(values[first:end], at - first, chance)
            for first, at, end in zip(bounds, bounds[1:], bounds[2:], strict=False)
        ]
        weakest = max(range(len(kept)), key=p_values.__getitem__)
        if p_values[weakest] <= level:
            break
        del kept[weakest]
    return kept


def _between(values: Floats, at: int, chance: np.random.Generator) -> float:
    """p-value of the difference between two neighbouring levels."""
    ranks, firsts, ends = _ranks(values), np.array([0]), np.array([at])
    evidence = _evidence(ranks[np.newaxis], firsts, ends)[0, 0]
    return _p_value(_largest_by_chance(ranks, firsts, ends, chance), evidence)


def _p_value(by_chance: Floats, evidence: float) -> float:
    # With a tolerance for rounding.
    return (1 + int((by_chance >= evidence - 1e-9).sum())) / (len(by_chance) + 1)


def _largest_by_chance(
    ranks: Floats, firsts: Ints, ends: Ints, chance: np.random.Generator
) -> Floats:
    batch = max(1, AT_ONCE // len(firsts))
    sizes = [min(batch, PERMUTATIONS - done) for done in range(0, PERMUTATIONS, batch)]
    largest = [
        _evidence(chance.permuted(np.tile(ranks, (size, 1)), axis=1), firsts, ends).max(axis=1)
        for size in sizes
    ]
    return np.concatenate(largest)


def _evidence(ranks: Floats, firsts: Ints, ends: Ints) -> Floats:
    """Standardized difference between each segment's sum of ranks and its expectation."""
    count = ranks.shape[-1]
    sums = np.zeros((len(ranks), count + 1))
    np.cumsum(ranks, axis=1, out=sums[:, 1:])
    lengths = (ends - firsts).astype(np.float64)
    spread = np.sqrt(lengths * (count - lengths) * (count + 1) / 12)
    found: Floats = np.abs(sums[:, ends] - sums[:, firsts] - lengths * (count + 1) / 2) / spread
    return found


def _splits(count: int) -> tuple[Ints, Ints]:
    """The first part of every split in two."""
    ends = np.arange(SHORTEST, count - SHORTEST + 1)
    return np.zeros_like(ends), ends


def _stretches(count: int) -> tuple[Ints, Ints]:
    """First index and end of every segment that leaves no part shorter than `SHORTEST`.

    A segment at the end equals the rest at the beginning, so those are skipped.
    """
    firsts, ends = np.triu_indices(count + 1, k=SHORTEST)
    room = (firsts == 0) | (firsts >= SHORTEST)
    fits = room & (count - ends >= SHORTEST)
    return firsts[fits], ends[fits]


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Floats = (last - (counts - 1) / 2)[place]
    return found
