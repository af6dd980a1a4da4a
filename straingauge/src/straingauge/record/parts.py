"""Where the response time goes, by what the service says of itself; merged without loss."""

from typing import Final

import numpy as np

from straingauge.histogram import BUCKETS, Histogram, Ints, bucket_of
from straingauge.record.timing import Columns

MOST_PARTS: Final = 8
REST: Final = "rest"
OTHER: Final = "other"
_OURS: Final = (REST, OTHER)
_MOST_NS: Final = 3_600_000_000_000


class Part:
    """One part's times.

    Attributes:
        times: of each response that named it.
        sums_ns: their sum, for each bucket of the whole response's time.
    """

    __slots__ = ("sums_ns", "times")

    def __init__(self) -> None:
        self.times = Histogram()
        self.sums_ns: Ints = np.zeros(BUCKETS, dtype=np.int64)

    def add(self, times_ns: Ints, bucket: Ints) -> None:
        """Count many at once, each with the bucket of its response."""
        self.times.add(times_ns)
        np.add.at(self.sums_ns, bucket, times_ns)

    def merge(self, other: "Part") -> None:
        """Count all that the other counted."""
        self.times.merge(other.times)
        self.sums_ns += other.sums_ns


class Parts:
    """The responses that carried a Server-Timing header, split into their parts.

    Of more than `MOST_PARTS` names those first in the alphabet are kept and the others are
    counted as "other": whichever way a load was split, its merged record keeps the same ones.

    Attributes:
        counts: how many responses, by the bucket of their response time.
        sums_ns: their summed response time, by the same.
        named: by name; "rest" is each response's time less all that it named, at least 0.
    """

    __slots__ = ("counts", "named", "sums_ns")

    def __init__(self) -> None:
        self.counts: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.sums_ns: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.named: dict[str, Part] = {}

    def add(self, columns: Columns, response_ns: Ints) -> None:
        """Count responses: what they named, and how long each took; who named nothing is not."""
        bucket = bucket_of(response_ns)
        rest_ns, named = response_ns.copy(), np.zeros(response_ns.size, dtype=bool)
        for name, (row, times_ms) in columns.items():
            times_ns = np.rint(np.minimum(times_ms * 1e6, _MOST_NS)).astype(np.int64)
            self._part(name).add(times_ns, bucket[row])
            rest_ns[row] -= times_ns
            named[row] = True
        if named.any():
            self.named.setdefault(REST, Part()).add(np.maximum(rest_ns, 0)[named], bucket[named])
            np.add.at(self.counts, bucket[named], 1)
            np.add.at(self.sums_ns, bucket[named], response_ns[named])

    def merge(self, other: "Parts") -> None:
        """Count all that the other counted."""
        self.counts += other.counts
        self.sums_ns += other.sums_ns
        for name, part in other.named.items():
            mine = self.named.setdefault(name, Part()) if name in _OURS else self._part(name)
            mine.merge(part)

    def _part(self, name: str) -> Part:
        """Where the service's part of this name counts."""
        if name in _OURS:  # the service's own word for it
            return self.named.setdefault(OTHER, Part())
        if name not in self.named:
            self.named[name] = Part()
            kept = sorted(self.named.keys() - set(_OURS))
            if len(kept) > MOST_PARTS:
                last = self.named.pop(kept[-1])
                self.named.setdefault(OTHER, Part()).merge(last)
        return self.named.get(name) or self.named[OTHER]
