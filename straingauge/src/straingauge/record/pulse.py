"""When requests began and ended, finely: what a stall of the service is seen by."""

from typing import Final

import numpy as np

from straingauge.histogram import Ints

FINEST_MS: Final = 50
MOST_SLOTS: Final = 1 << 16  # 55 minutes of the finest
LONG_MS: Final = 200
BEGAN, ENDED, LONG_BEGAN, LONG_ENDED = range(4)
COLUMNS: Final = 4
_FIRST_SLOTS: Final = 256


class Pulse:
    """Slots of `width_ms` after the phase's start; wider ones when a run gets long.

    Memory is bounded: 2 MB.

    Attributes:
        width_ms: 50, doubled as often as the run needs.
        counts: a row a slot: intended starts, ends of whatever kind, and again both of only
            the requests that took `LONG_MS` or more.
    """

    __slots__ = ("counts", "width_ms")

    def __init__(self) -> None:
        self.width_ms = FINEST_MS
        self.counts: Ints = np.zeros((0, COLUMNS), dtype=np.int64)

    def add(self, intended_ns: Ints, done_ns: Ints) -> None:
        """Count requests by their intended start and their end, after the phase's start."""
        last_ms = int(max(done_ns.max(initial=0), intended_ns.max(initial=0))) // 1_000_000
        while last_ms // self.width_ms >= MOST_SLOTS:
            self.widen()
        self._make_room(last_ms // self.width_ms + 1)
        flat, width_ns = self.counts.reshape(-1), self.width_ms * 1_000_000
        began, ended = (
            np.maximum(each, 0) // width_ns * COLUMNS for each in (intended_ns, done_ns)
        )
        long = done_ns - intended_ns >= LONG_MS * 1_000_000
        np.add.at(flat, np.concatenate((began + BEGAN, ended + ENDED)), 1)
        np.add.at(flat, np.concatenate((began[long] + LONG_BEGAN, ended[long] + LONG_ENDED)), 1)

    def merge(self, other: "Pulse") -> None:
        """Count all that the other counted."""
        while self.width_ms < other.width_ms:
            self.widen()
        counts = other.at(self.width_ms)
        self._make_room(len(counts))
        self.counts[: len(counts)] += counts

    def at(self, width_ms: int) -> Ints:
        """The counts in slots of this width, up to the last in which anything ended."""
        widened = Pulse()
        widened.width_ms, widened.counts = self.width_ms, self.counts
        while widened.width_ms < width_ms:
            widened.widen()
        ended = np.flatnonzero(widened.counts[:, ENDED])
        return widened.counts[: int(ended[-1]) + 1 if ended.size else 0]

    def widen(self) -> None:
        """Join each two neighbouring slots: the width doubles."""
        self.width_ms *= 2
        even = np.pad(self.counts, ((0, len(self.counts) % 2), (0, 0)))
        self.counts = even[0::2] + even[1::2]

    def _make_room(self, slots: int) -> None:
        have = len(self.counts)
        if slots > have:
            room = min(MOST_SLOTS, max(slots, 2 * have, _FIRST_SLOTS)) - have
            self.counts = np.pad(self.counts, ((0, room), (0, 0)))
