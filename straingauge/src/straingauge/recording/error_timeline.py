"""The failed requests of one endpoint over time, by kind and status; they merge without loss."""

from typing import Final

import numpy as np

from straingauge.histogram import Ints
from straingauge.http import ErrorKind

# More than the kinds of failure that one endpoint shows (`http.ErrorKind` has some 30), so that
# only a service with a new status or exception for each request meets it.
MAX_KINDS: Final = 32
MAX_SLOTS: Final = 2048
OTHER: Final = "other"


def kind_name(kind: str, status: int) -> str:
    """Return the name under which a failure counts: its kind, with an unexpected status."""
    return f"{kind} {status}" if kind == ErrorKind.BAD_STATUS and status else kind


class ErrorTimeline:
    """Slots of `width_s` seconds, by intended start, for each kind of failure that occurred.

    Of more than `MAX_KINDS` the first in alphabetical order are kept and the others count as
    "other", so that the merged record does not depend on how a load was split. A kind takes 8
    bytes for each second, and 16 kB at most: after `MAX_SLOTS` slots the width doubles.

    Attributes:
        kinds: A count for each slot, by the name of a kind (`kind_name`).
        width_s: A power of two.
    """

    __slots__ = ("kinds", "width_s")

    def __init__(self) -> None:
        self.kinds: dict[str, Ints] = {}
        self.width_s = 1

    def add(self, kind: str, second: Ints) -> None:
        """Add a failure of a kind in each of these seconds."""
        while int(second.max(initial=0)) // self.width_s >= MAX_SLOTS:
            self.widen()
        self._count(kind, np.bincount(second // self.width_s))

    def merge(self, other: "ErrorTimeline") -> None:
        """Add everything from another timeline."""
        while self.width_s < other.width_s:
            self.widen()
        for kind, slots in other.kinds.items():
            self._count(kind, _joined(slots, self.width_s // other.width_s))

    def widen(self) -> None:
        """Add up each pair of neighbouring slots: the width doubles."""
        self.width_s *= 2
        self.kinds = {kind: _joined(slots, 2) for kind, slots in self.kinds.items()}

    def over_time(self, width_s: int) -> dict[str, Ints]:
        """Return the counts of each kind for the slots of a multiple of the width."""
        joined = width_s // self.width_s
        return {kind: _joined(slots, joined) for kind, slots in sorted(self.kinds.items())}

    def _count(self, kind: str, slots: Ints) -> None:
        known = self.kinds.get(kind)
        self.kinds[kind] = slots.astype(np.int64) if known is None else _added(known, slots)
        named = sorted(self.kinds.keys() - {OTHER})
        if len(named) > MAX_KINDS:
            last = self.kinds.pop(named[-1])
            self.kinds[OTHER] = _added(self.kinds.get(OTHER, last[:0]), last)


def _added(one: Ints, other: Ints) -> Ints:
    """Add two arrays, of which one may be longer."""
    longer, shorter = (one, other) if one.size >= other.size else (other, one)
    added = longer.astype(np.int64)
    added[: shorter.size] += shorter
    return added


def _joined(slots: Ints, count: int) -> Ints:
    """Add up each `count` neighbouring slots."""
    padded = np.pad(slots, (0, -slots.size % count))
    joined: Ints = padded.reshape(-1, count).sum(axis=1, dtype=np.int64)
    return joined
