"""The parts of the response time, from Server-Timing headers; they merge without loss."""

from typing import Final

import numpy as np

from straingauge.histogram import BUCKETS, Histogram, Ints, bucket_of
from straingauge.recording.server_timing_header import Columns

MAX_PARTS: Final = 8
MAX_SLOTS: Final = 256  # of time, for a chart
UNATTRIBUTED: Final = "unattributed"
OTHER: Final = "other"
_RESERVED: Final = (UNATTRIBUTED, OTHER)
_MOST_NS: Final = 3_600_000_000_000


class ServerTiming:
    """The times of one part.

    Attributes:
        times: The times of all responses with this part.
        sums_ns: Their sum for each bucket of the response time.
        slots_ns: Their sum for each slot of time.
    """

    __slots__ = ("slots_ns", "sums_ns", "times")

    def __init__(self) -> None:
        self.times = Histogram()
        self.sums_ns: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.slots_ns: Ints = np.zeros(MAX_SLOTS, dtype=np.int64)

    def add(self, times_ns: Ints, bucket: Ints, slot: Ints) -> None:
        """Add many times, each with the bucket of its response and its slot of time."""
        self.times.add(times_ns)
        np.add.at(self.sums_ns, bucket, times_ns)
        np.add.at(self.slots_ns, slot, times_ns)

    def merge(self, other: "ServerTiming", *, wider: int = 1) -> None:
        """Add everything from another one, whose slots are `wider` times narrower."""
        self.times.merge(other.times)
        self.sums_ns += other.sums_ns
        self.slots_ns += _joined(other.slots_ns, wider)

    def widen(self) -> None:
        """Add up each pair of neighbouring slots."""
        self.slots_ns = _joined(self.slots_ns, 2)


class ServerTimings:
    """The responses with a Server-Timing header, split into parts.

    Of more than `MAX_PARTS` names the first in alphabetical order are kept and the others count as
    "other", so that the merged record does not depend on how a load was split.

    Attributes:
        counts: Number of responses by bucket of their response time.
        sums_ns: Sum of their response times by the same bucket.
        parts: By name; "unattributed" is the response time minus all parts, at least 0.
        width_s: Width of the slots of time, a power of two: it doubles after `MAX_SLOTS`.
    """

    __slots__ = ("counts", "parts", "sums_ns", "width_s")

    def __init__(self) -> None:
        self.counts: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.sums_ns: Ints = np.zeros(BUCKETS, dtype=np.int64)
        self.parts: dict[str, ServerTiming] = {}
        self.width_s = 1

    def add(self, columns: Columns, response_ns: Ints, second: Ints) -> None:
        """Add responses: their parts, response times, and the seconds in which they began.

        Responses without parts are not counted.
        """
        while int(second.max(initial=0)) // self.width_s >= MAX_SLOTS:
            self.widen()
        bucket, slot = bucket_of(response_ns), second // self.width_s
        unattributed_ns, named = response_ns.copy(), np.zeros(response_ns.size, dtype=bool)
        for name, (row, times_ms) in columns.items():
            times_ns = np.rint(np.minimum(times_ms * 1e6, _MOST_NS)).astype(np.int64)
            self._part(name).add(times_ns, bucket[row], slot[row])
            unattributed_ns[row] -= times_ns
            named[row] = True
        if named.any():
            unattributed = self.parts.setdefault(UNATTRIBUTED, ServerTiming())
            unattributed.add(np.maximum(unattributed_ns, 0)[named], bucket[named], slot[named])
            np.add.at(self.counts, bucket[named], 1)
            np.add.at(self.sums_ns, bucket[named], response_ns[named])

    def merge(self, other: "ServerTimings") -> None:
        """Add everything from another one."""
        while self.width_s < other.width_s:
            self.widen()
        self.counts += other.counts
        self.sums_ns += other.sums_ns
        for name, part in other.parts.items():
            mine = (
                self.parts.setdefault(name, ServerTiming())
                if name in _RESERVED
                else self._part(name)
            )
            mine.merge(part, wider=self.width_s // other.width_s)

    def widen(self) -> None:
        """Add up each pair of neighbouring slots of time: the width doubles."""
        self.width_s *= 2
        for part in self.parts.values():
            part.widen()

    def over_time_ns(self, width_s: int) -> dict[str, Ints]:
        """Return the sum of each part for each slot of a multiple of the width."""
        joined = width_s // self.width_s
        return {name: _joined(part.slots_ns, joined) for name, part in sorted(self.parts.items())}

    def _part(self, name: str) -> ServerTiming:
        """Return the part that counts a name of the service."""
        if name in _RESERVED:  # the service uses a reserved name
            return self.parts.setdefault(OTHER, ServerTiming())
        if name not in self.parts:
            self.parts[name] = ServerTiming()
            kept = sorted(self.parts.keys() - set(_RESERVED))
            if len(kept) > MAX_PARTS:
                last = self.parts.pop(kept[-1])
                self.parts.setdefault(OTHER, ServerTiming()).merge(last)
        return self.parts.get(name) or self.parts[OTHER]


def _joined(slots: Ints, count: int) -> Ints:
    """Add up each `count` neighbouring slots, a power of two; the length is kept."""
    while count > 1:
        slots = np.concatenate([slots[0::2] + slots[1::2], np.zeros_like(slots[1::2])])
        count //= 2
    return slots
