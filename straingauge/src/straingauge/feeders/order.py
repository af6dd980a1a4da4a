"""Orders in which a feeder uses its rows: pure functions of the number of the use."""

from typing import Final, Literal

import numpy as np

Order = Literal["sequential", "random", "unique"]

_MASK: Final = (1 << 64) - 1
_INCREMENT: Final = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_AT_ONCE: Final = 1 << 20  # 8 MB


def row_of(order: str, seed: int, number: int, rows: int) -> int:
    """Return the row of use `number`, both from 0; a random one is the same for the same seed."""
    return splitmix64(seed, number) % rows if order == "random" else number % rows


def splitmix64(seed: int, number: int) -> int:
    """Return a random number of 64 bits.

    SplitMix64 can be computed for any number of the sequence (Steele, Lea and Flood, "Fast
    splittable pseudorandom number generators", OOPSLA 2014), so that processes need not share more
    than a counter.
    """
    value = (seed + (number + 1) * _INCREMENT) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


def distinct_rows(order: str, seed: int, uses: int, rows: int) -> int:
    """Return how many different rows the first uses have."""
    if order != "random":
        return min(uses, rows)
    used = np.zeros(rows, dtype=np.bool_)
    for begin in range(0, uses, _AT_ONCE):
        numbers = np.arange(begin + 1, min(begin + _AT_ONCE, uses) + 1, dtype=np.uint64)
        value = np.uint64(seed & _MASK) + numbers * np.uint64(_INCREMENT)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(_FIRST)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(_SECOND)
        used[(value ^ (value >> np.uint64(31))) % np.uint64(rows)] = True
    return int(used.sum())
