"""Named counts and times that only some endpoints have, such as those of streams."""

from collections import Counter
from typing import Final

from straingauge.histogram import Histogram

COUNT_NS: Final = 1_000_000
"""One of what is counted, in a histogram of counts: counts are kept as if each took 1 ms."""


class Measurements:
    """Counts and histograms by name; empty ones take no memory.

    Attributes:
        counts: Counts by name.
        times: Histograms by name.
    """

    __slots__ = ("counts", "times")

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.times: dict[str, Histogram] = {}

    def histogram(self, name: str) -> Histogram:
        """Return the histogram of this name, empty at first."""
        return self.times.setdefault(name, Histogram())

    def merge(self, other: "Measurements") -> None:
        """Add everything from another one; the order does not matter."""
        self.counts += other.counts
        for name, histogram in other.times.items():
            self.histogram(name).merge(histogram)

    def __bool__(self) -> bool:
        return bool(self.counts or self.times)
