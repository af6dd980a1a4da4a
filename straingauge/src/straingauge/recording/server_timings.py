"""Where the response time goes, by what the service says of itself; merged without loss."""

from typing import Final

import numpy as np

from straingauge.histogram import BUCKETS, Histogram, Ints, bucket_of
from straingauge.recording.server_timing_header import Columns

MOST_PARTS: Final = 8
MOST_SLOTS: Final = 256  # of time, for a chart
REST: Final = "unattributed"
OTHER: Final = "other"
_OURS: Final = (REST, OTHER)
_MOST_NS: Final = 3_600_000_000_000


class ServerTiming:
    """One part's times.

    Attributes:
        times: of each response that named it.
        sums_ns: their sum, for each bucket of the whole response's time.
        slots_ns: their sum, for each slot of time.
    """

    __slots__ = ("slots_ns", "sums_ns", "times")

    def __init__(self) -> None:
        self.times = Histogram()
        self.sums_ns: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.slots_ns: Ints = np.zeros(MOST_SLOTS, dtype=np.int64)

    def add(self, times_ns: Ints, bucket: Ints, slot: Ints) -> None:
        """Count many at once, each with the bucket of its response and its slot of time."""
        self.times.add(times_ns)
        np.add.at(self.sums_ns, bucket, times_ns)
        np.add.at(self.slots_ns, slot, times_ns)

    def merge(self, other: "ServerTiming", *, wider: int = 1) -> None:
        """Count all that the other counted, whose slots are so many times narrower."""
        self.times.merge(other.times)
        self.sums_ns += other.sums_ns
        self.slots_ns += _joined(other.slots_ns, wider)

    def widen(self) -> None:
        """Join each two neighbouring slots."""
        self.slots_ns = _joined(self.slots_ns, 2)


class ServerTimings:
    """The responses that carried a Server-Timing header, split into their parts.

    Of more than `MOST_PARTS` names those first in the alphabet are kept and the others are
    counted as "other": whichever way a load was split, its merged record keeps the same ones.

    Attributes:
        counts: how many responses, by the bucket of their response time.
        sums_ns: their summed response time, by the same.
        named: by name; "unattributed" is each response's time less all that it named, at least 0.
        width_s: of their slots of time, a power of two: it doubles after `MOST_SLOTS` of them.
    """

    __slots__ = ("counts", "named", "sums_ns", "width_s")

    def __init__(self) -> None:
        self.counts: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.sums_ns: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.named: dict[str, ServerTiming] = {}
        self.width_s = 1

    def add(self, columns: Columns, response_ns: Ints, second: Ints) -> None:
        """Count responses: what they named, how long each took, and in which second it began.

        Those that named nothing are not counted.
        """
        while int(second.max(initial=0)) // self.width_s >= MOST_SLOTS:
            self.widen()
        bucket, slot = bucket_of(response_ns), second // self.width_s
        rest_ns, named = response_ns.copy(), np.zeros(response_ns.size, dtype=bool)
        for name, (row, times_ms) in columns.items():
            times_ns = np.rint(np.minimum(times_ms * 1e6, _MOST_NS)).astype(np.int64)
            self._part(name).add(times_ns, bucket[row], slot[row])
            rest_ns[row] -= times_ns
            named[row] = True
        if named.any():
            rest = self.named.setdefault(REST, ServerTiming())
            rest.add(np.maximum(rest_ns, 0)[named], bucket[named], slot[named])
            np.add.at(self.counts, bucket[named], 1)
            np.add.at(self.sums_ns, bucket[named], response_ns[named])

    def merge(self, other: "ServerTimings") -> None:
        """Count all that the other counted."""
        while self.width_s < other.width_s:
            self.widen()
        self.counts += other.counts
        self.sums_ns += other.sums_ns
        for name, part in other.named.items():
            mine = (
                self.named.setdefault(name, ServerTiming()) if name in _OURS else self._part(name)
            )
            mine.merge(part, wider=self.width_s // other.width_s)

    def widen(self) -> None:
        """Join each two neighbouring slots of time: the width doubles."""
        self.width_s *= 2
        for part in self.named.values():
            part.widen()

    def over_time_ns(self, width_s: int) -> dict[str, Ints]:
        """Each part's sum for each slot of a width that is a multiple of its own."""
        joined = width_s // self.width_s
        return {name: _joined(part.slots_ns, joined) for name, part in sorted(self.named.items())}

    def _part(self, name: str) -> ServerTiming:
        """Where the service's part of this name counts."""
        if name in _OURS:  # the service's own word for it
            return self.named.setdefault(OTHER, ServerTiming())
        if name not in self.named:
            self.named[name] = ServerTiming()
            kept = sorted(self.named.keys() - set(_OURS))
            if len(kept) > MOST_PARTS:
                last = self.named.pop(kept[-1])
                self.named.setdefault(OTHER, ServerTiming()).merge(last)
        return self.named.get(name) or self.named[OTHER]


def _joined(slots: Ints, count: int) -> Ints:
    """As many slots, each the sum of so many of these; `count` is a power of two."""
    while count > 1:
        slots = np.concatenate([slots[0::2] + slots[1::2], np.zeros_like(slots[1::2])])
        count //= 2
    return slots
