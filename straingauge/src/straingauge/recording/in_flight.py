"""The starts and ends of requests in short slots, to detect stalls of the service."""

from typing import Final

import numpy as np

from straingauge.histogram import Ints
from straingauge.recording.counter_table import CounterTable

MIN_WIDTH_MS: Final = 50
MAX_SLOTS: Final = 1 << 16  # 55 minutes of the shortest
LONG_MS: Final = 200
BEGAN, ENDED, LONG_BEGAN, LONG_ENDED = range(4)
COLUMNS: Final = 4


class InFlightTimeline:
    """Slots of `width_ms` since the start of the phase; a long run gets wider slots.

    Memory is bounded: 0.5 MB while no slot counts more than 65,535.

    Attributes:
        width_ms: 50, doubled as often as the run needs.
        counts: A row for each slot: intended starts, ends, and the same for requests that took
            `LONG_MS` or more.
    """

    __slots__ = ("counts", "width_ms")

    def __init__(self) -> None:
        self.width_ms = MIN_WIDTH_MS
        self.counts = CounterTable(COLUMNS, MAX_SLOTS)

    def add(self, intended_ns: Ints, done_ns: Ints) -> None:
        """Count requests by intended start and end, relative to the start of the phase."""
        last_ms = int(max(done_ns.max(initial=0), intended_ns.max(initial=0))) // 1_000_000
        while last_ms // self.width_ms >= MAX_SLOTS:
            self.widen()
        self.counts.make_room(last_ms // self.width_ms + 1)
        width_ns = self.width_ms * 1_000_000
        began, ended = (
            np.maximum(each, 0) // width_ns * COLUMNS for each in (intended_ns, done_ns)
        )
        long = done_ns - intended_ns >= LONG_MS * 1_000_000
        cells = (began + BEGAN, ended + ENDED, began[long] + LONG_BEGAN, ended[long] + LONG_ENDED)
        self.counts.add(np.concatenate(cells))

    def merge(self, other: "InFlightTimeline") -> None:
        """Add everything from another one."""
        while self.width_ms < other.width_ms:
            self.widen()
        other = other.widened(self.width_ms)
        self.counts.merge(other.counts.table[: other.used])

    def at(self, width_ms: int) -> Ints:
        """Return the counts in slots of this width, up to the last with an end."""
        widened = self.widened(width_ms)
        return widened.counts.table[: widened.used].astype(np.int64)

    @property
    def used(self) -> int:
        """The number of slots up to the last with an end."""
        ended = np.flatnonzero(self.counts.table[:, ENDED])
        return int(ended[-1]) + 1 if ended.size else 0

    def widened(self, width_ms: int) -> "InFlightTimeline":
        """Return this one if its slots are at least this wide, else a widened copy."""
        if self.width_ms >= width_ms:
            return self
        copy = InFlightTimeline()
        copy.width_ms, copy.counts = self.width_ms, self.counts.copy(self.used)
        while copy.width_ms < width_ms:
            copy.widen()
        return copy

    def widen(self) -> None:
        """Add up each pair of neighbouring slots: the width doubles."""
        self.width_ms *= 2
        self.counts.join_pairs()
