"""Whose turn it is: short slots of one clock, in pairs, the first of each pair by chance. Pure.

Two slots of a pair follow one right after the other, so that what the machine does for longer than
that happens to both sides. Which of them is first is drawn, so that what it does besides is as
likely to happen to the one as to the other.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from straingauge.histogram import Ints

Name = Literal["base", "head"]
NAMES: Final[tuple[Name, Name]] = ("base", "head")


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """The turns of both sides.

    Attributes:
        start_ns: When the first slot begins, by `time.monotonic_ns`.
        slot_ns: How long each lasts.
        pairs: How many pairs there are.
        seed: Of the chance that says who is first.
    """

    start_ns: int
    slot_ns: int
    pairs: int
    seed: int

    @property
    def end_ns(self) -> int:
        """When the last slot ends."""
        return self.start_ns + 2 * self.pairs * self.slot_ns

    def slots(self, side: Name) -> Ints:
        """The number of this side's slot in each pair: 2 k or 2 k + 1."""
        head_first = np.random.default_rng(self.seed).integers(0, 2, self.pairs)
        second = head_first if side == "base" else 1 - head_first
        return np.asarray(2 * np.arange(self.pairs) + second, dtype=np.int64)

    def pair_of(self, side: Name, at_ns: Ints) -> Ints:
        """The pair of each instant; -1 where it was not that side's turn."""
        slots = (at_ns - self.start_ns) // self.slot_ns
        pairs = slots // 2
        inside = (pairs >= 0) & (pairs < self.pairs)
        own = self.slots(side)[np.where(inside, pairs, 0)] == slots
        return np.where(inside & own, pairs, -1)


class Gate:
    """Tells a side how long it has to wait for its turn."""

    def __init__(self, turns: SlotPlan, side: Name) -> None:
        self._turns = turns
        self._slots: list[int] = turns.slots(side).tolist()

    def wait_s(self, now_ns: int) -> float:
        """Until this side's turn; 0 when it is, infinite when there is none any more."""
        turns = self._turns
        slot: int = (now_ns - turns.start_ns) // turns.slot_ns
        pair = max(slot // 2, 0)
        if pair >= turns.pairs:
            return float("inf")
        if slot == self._slots[pair]:
            return 0.0
        if slot > self._slots[pair]:
            pair += 1
        if pair >= turns.pairs:
            return float("inf")
        return (turns.start_ns + self._slots[pair] * turns.slot_ns - now_ns) / 1e9
