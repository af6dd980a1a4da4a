"""Poisson arrivals: random, and independent of each other.

A Poisson process is drawn the way it is defined (Kingman, Poisson Processes, 1993, sections 2.1
and 2.4): the duration is cut into cells; how many arrivals a cell has is a Poisson number,
independent of every other cell's; and given how many, they are independent and uniform in it.
The gaps between arrivals are then exponential, over the edges of cells too.

A cell's times come from a counter-based generator (Philox: Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011) whose key is the seed and whose counter starts at the
cell's number times 2^192, so each cell can be drawn by itself, in any order, by any process. Only
the running total of the cells' counts is kept, 8 bytes for about a thousand arrivals.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

from straingauge.errors import UsageError
from straingauge.schedule.arguments import require_countable, require_positive

CELL_ARRIVALS = 1024
"""Approximate arrivals per cell: few enough that drawing a cell delays no arrival noticeably."""


@dataclass(frozen=True, slots=True)
class Poisson:
    """A Poisson process: random arrivals, the same ones whenever the seed is the same."""

    rate_per_s: float
    duration_s: float
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive(rate_per_s=self.rate_per_s, duration_s=self.duration_s)
        require_countable(self.rate_per_s * self.duration_s)
        if not (isinstance(self.seed, int) and 0 <= self.seed < 2**64):
            raise UsageError(f"seed must be a whole number from 0 to 2^64 - 1, not {self.seed}")

    @property
    def count(self) -> int:
        """Number of arrivals: random, given by the seed; rate times duration on average."""
        return _firsts(self)[-1]

    def arrivals(self, n: int) -> float | None:
        """Return when arrival n, the one with n others before it, starts."""
        firsts = _firsts(self)
        if n >= firsts[-1]:
            return None
        cell = bisect_right(firsts, n) - 1
        return _times_s(self, cell)[n - firsts[cell]]


def poisson(*, rate_per_s: float, duration_s: float, seed: int = 0) -> Poisson:
    """Open model: random arrivals, `rate_per_s` a second on average.

    The same seed gives the same arrivals in every process and run (NumPy never changes
    Philox's bits, but may change with its version how it uses them, NEP 19).

    Args:
        rate_per_s: Mean number of arrivals per second; the times between them are exponentially
            distributed.
        duration_s: Duration, in seconds.
        seed: A whole number, 0 or more.

    Raises:
        UsageError: rate or duration is not more than 0, or the seed is no whole number >= 0.
    """
    return Poisson(rate_per_s, duration_s, seed)


@lru_cache(maxsize=4)
def _firsts(schedule: Poisson) -> list[int]:
    """Return the number of each cell's first arrival, and last, the number of all arrivals."""
    expected = schedule.rate_per_s * schedule.duration_s
    cells = max(1, ceil(expected / CELL_ARRIVALS))
    counts = _generator(schedule.seed, 0).poisson(expected / cells, cells)
    return [0, *np.cumsum(counts).tolist()]


@lru_cache(maxsize=16)
def _times_s(schedule: Poisson, cell: int) -> list[float]:
    """Return the times of one cell's arrivals, in order, in seconds after the start."""
    firsts = _firsts(schedule)
    length_s = schedule.duration_s / (len(firsts) - 1)
    within = _generator(schedule.seed, 1 + cell).random(firsts[cell + 1] - firsts[cell])
    within.sort()
    times_s: list[float] = ((cell + within) * length_s).tolist()
    return times_s


def _generator(seed: int, stream: int) -> np.random.Generator:
    """Return one of 2^64 independent, non-overlapping streams of a seed."""
    return np.random.Generator(np.random.Philox(key=seed, counter=stream << 192))
