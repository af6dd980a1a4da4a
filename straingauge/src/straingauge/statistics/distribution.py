"""A distribution of response times, as a result file keeps it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from straingauge.histogram import Ints
from straingauge.recording.hdr import decode

Floats = NDArray[np.float64]


def _empty() -> Ints:
    return np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Distinct times in nanoseconds, ascending, and the count of each."""

    times_ns: Ints = field(default_factory=_empty)
    counts: Ints = field(default_factory=_empty)

    @classmethod
    def decode(cls, payload: str | None) -> Self:
        """Decode a histogram of a result file; None is empty.

        Raises:
            ValueError: It is not a histogram.
        """
        return cls(*decode(payload)) if payload else cls()

    @classmethod
    def merged(cls, parts: "Sequence[Distribution]") -> Self:
        """Merge several distributions."""
        if not parts:
            return cls()
        times_ns, where = np.unique(
            np.concatenate([part.times_ns for part in parts]), return_inverse=True
        )
        counts = np.bincount(where, np.concatenate([part.counts for part in parts]))
        return cls(times_ns, counts.astype(np.int64))

    @property
    def count(self) -> int:
        """Number of times."""
        return int(self.counts.sum())

    def at_ranks_ms(self, ranks: Sequence[int] | Ints) -> Floats:
        """The times of these ranks in milliseconds; rank 1 is the shortest."""
        at = np.searchsorted(np.cumsum(self.counts), np.maximum(ranks, 1))
        return np.asarray(self.times_ns[at] / 1e6, dtype=np.float64)

    def quantiles_ms(self, shares: Sequence[float]) -> list[float | None]:
        """Quantiles in milliseconds, by nearest rank; None if there are no times."""
        if not self.count:
            return [None] * len(shares)
        ranks = [int(np.ceil(round(share * self.count, 6))) for share in shares]
        return [float(value) for value in self.at_ranks_ms(ranks)]

    def smooth_quantiles_ns(self, shares: Floats) -> Floats:
        """Quantiles in nanoseconds, interpolated within cells of equal times.

        Each distinct time stands for a cell over which its times are spread evenly. Without that, a
        small change would be either nothing or the width of a whole cell.
        """
        middles = self.times_ns.astype(np.float64)
        halves = np.diff(middles) / 2
        # A cell ends half way to its neighbour, at most one histogram cell away.
        width = np.minimum(np.concatenate((halves, [np.inf])), middles * 2.0**-8)
        before = np.minimum(np.concatenate(([np.inf], halves)), middles * 2.0**-8)
        cumulated = np.cumsum(self.counts) / self.count
        at = np.minimum(np.searchsorted(cumulated, shares), middles.size - 1)
        share_of_cell = self.counts[at] / self.count
        inside = np.clip((shares - (cumulated[at] - share_of_cell)) / share_of_cell, 0.0, 1.0)
        low, high = middles[at] - before[at], middles[at] + width[at]
        return np.asarray(low + inside * (high - low), dtype=np.float64)

    def mean_ns(self) -> float:
        """The mean."""
        return float(self.times_ns @ self.counts) / self.count

    def deviation_ns(self) -> float:
        """The standard deviation."""
        off = self.times_ns - self.mean_ns()
        return float(np.sqrt((off**2) @ self.counts / self.count))
