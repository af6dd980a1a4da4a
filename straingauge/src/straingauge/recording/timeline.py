"""The requests of one endpoint over time, for charts and trends."""

from typing import Final

import numpy as np

from straingauge.histogram import BUCKETS, Ints, bucket_edges_ns
from straingauge.recording.counter_table import CounterTable

MAX_SLOTS: Final = 2048
# A slot's histogram has 8 buckets per octave, each of 16 fine ones.
_FINE_PER_COARSE_BITS: Final = 4
COARSE_BUCKETS: Final = (BUCKETS >> _FINE_PER_COARSE_BITS) + 1
COARSE_EDGES_NS: Final = bucket_edges_ns(np.arange(COARSE_BUCKETS + 1) << _FINE_PER_COARSE_BITS)
_COARSE_MIDDLES_NS: Final = (COARSE_EDGES_NS[:-1] + COARSE_EDGES_NS[1:]) / 2

STARTED, ERRORS, RATE_LIMITED, SERVED, RESPONSE_NS, SERVICE_NS = range(6)
COLUMNS: Final = 6


class Timeline:
    """Slots of `width_s` seconds, by intended start.

    A slow request counts when its user began to wait, and the last slot is not filled with late
    responses. After `MAX_SLOTS` slots the width doubles, so that memory is bounded (1.2 MB while no
    count in `histograms` exceeds 65,535).

    Attributes:
        width_s: A power of two.
        sums: A row for each slot: started, errors, rate-limited, served, and the sums of the
            response times and service times of served requests in ns.
        longest_ns: The longest response time of each slot.
        histograms: A row for each slot: response times of served requests, 8 buckets per octave.
    """

    __slots__ = ("histograms", "longest_ns", "sums", "width_s")

    def __init__(self) -> None:
        self.width_s = 1
        self.sums: Ints = np.zeros((0, COLUMNS), dtype=np.int64)
        self.longest_ns: Ints = np.zeros(0, dtype=np.int64)
        self.histograms = CounterTable(COARSE_BUCKETS, MAX_SLOTS)

    def add(self, second: Ints, column: int) -> None:
        """Add one to a column for each of these seconds."""
        slot = self._slots(second)
        np.add.at(self.sums.reshape(-1), slot * COLUMNS + column, 1)

    def add_served(
        self, second: Ints, response_ns: Ints, service_ns: Ints, fine_bucket: Ints
    ) -> None:
        """Add served requests with their times and the bucket of their response time."""
        slot = self._slots(second)
        sums, row = self.sums.reshape(-1), slot * COLUMNS
        np.add.at(sums, row + SERVED, 1)
        np.add.at(sums, row + RESPONSE_NS, response_ns)
        np.add.at(sums, row + SERVICE_NS, service_ns)
        np.maximum.at(self.longest_ns, slot, response_ns)
        coarse = fine_bucket >> _FINE_PER_COARSE_BITS
        self.histograms.add(slot * COARSE_BUCKETS + coarse)

    def merge(self, other: "Timeline") -> None:
        """Add everything from another timeline."""
        while self.width_s < other.width_s:
            self.widen()
        other = other.widened(self.width_s)
        used = other.used
        self._make_room(used)
        self.sums[:used] += other.sums[:used]
        np.maximum(self.longest_ns[:used], other.longest_ns[:used], out=self.longest_ns[:used])
        self.histograms.merge(other.histograms.table[:used])

    def widened(self, width_s: int) -> "Timeline":
        """Return this one if its slots are at least this wide, else a widened copy."""
        if self.width_s >= width_s:
            return self
        copy, used = Timeline(), self.used
        copy.width_s = self.width_s
        copy.sums, copy.longest_ns = self.sums[:used], self.longest_ns[:used]
        copy.histograms = self.histograms.copy(used)
        while copy.width_s < width_s:
            copy.widen()
        return copy

    @property
    def used(self) -> int:
        """The number of slots up to the last with a start."""
        started = np.flatnonzero(self.sums[:, STARTED])
        return int(started[-1]) + 1 if started.size else 0

    def median_ns(self, slot: int) -> float | None:
        """Return the median response time of a slot, within 9 %; None without served requests.

        If one bucket and its neighbours have most of the requests, their mean is more precise than
        ranks, because the sum of all is exact: such a median is within about 2 %.
        """
        counts = self.histograms.table[slot].astype(np.int64)
        cumulated = np.cumsum(counts)
        served = cumulated[-1]
        if not served:
            return None
        middle = (served + 1) / 2
        coarse = int(np.searchsorted(cumulated, middle))
        low, high = COARSE_EDGES_NS[coarse], COARSE_EDGES_NS[coarse + 1]
        rank = middle - (cumulated[coarse] - counts[coarse]) - 0.5
        by_rank = low + (high - low) * rank / counts[coarse]
        around = counts[max(coarse - 1, 0) : coarse + 2].sum()
        counts[max(coarse - 1, 0) : coarse + 2] = 0
        mean = (self.sums[slot, RESPONSE_NS] - counts @ _COARSE_MIDDLES_NS) / around
        by_mean = min(max(mean, low), high)
        return float(by_rank + (by_mean - by_rank) * around / served)

    def _slots(self, second: Ints) -> Ints:
        last = int(second.max(initial=0))
        while last // self.width_s >= MAX_SLOTS:
            self.widen()
        self._make_room(last // self.width_s + 1)
        return second // self.width_s

    def _make_room(self, slots: int) -> None:
        have = len(self.sums)
        if slots <= have:
            return
        room = max(slots, min(2 * have, MAX_SLOTS)) - have
        self.sums = np.pad(self.sums, ((0, room), (0, 0)))
        self.longest_ns = np.pad(self.longest_ns, (0, room))
        self.histograms.make_room(have + room)

    def widen(self) -> None:
        """Add up each pair of neighbouring slots: the width doubles."""
        odd = len(self.sums) % 2
        self.width_s *= 2
        sums = np.pad(self.sums, ((0, odd), (0, 0)))
        self.sums = sums[0::2] + sums[1::2]
        self.histograms.join_pairs()
        longest_ns = np.pad(self.longest_ns, (0, odd))
        self.longest_ns = np.maximum(longest_ns[0::2], longest_ns[1::2])
