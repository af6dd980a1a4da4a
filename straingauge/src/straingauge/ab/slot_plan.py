"""Alternating time slots of two variants, in pairs of random order: pure.

The two slots of a pair follow each other directly, so that a slow change of the machine affects
both variants. Their order is random, so that a short one is equally likely to affect either.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from straingauge.histogram import Ints

Name = Literal["base", "head"]
NAMES: Final[tuple[Name, Name]] = ("base", "head")


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """Slots of both variants.

    Attributes:
        start_ns: Start of the first slot, by `time.monotonic_ns`.
        slot_ns: Duration of a slot.
        pairs: Number of pairs.
        seed: Seed of the random order.
    """

    start_ns: int
    slot_ns: int
    pairs: int
    seed: int

    @property
    def end_ns(self) -> int:
        """End of the last slot."""
        return self.start_ns + 2 * self.pairs * self.slot_ns

    def slots(self, variant: Name) -> Ints:
        """Number of this variant's slot in each pair: 2 k or 2 k + 1."""
        head_first = np.random.default_rng(self.seed).integers(0, 2, self.pairs)
        second = head_first if variant == "base" else 1 - head_first
        return np.asarray(2 * np.arange(self.pairs) + second, dtype=np.int64)

    def pair_of(self, variant: Name, at_ns: Ints) -> Ints:
        """Number of the pair at each time; -1 outside of this variant's slots."""
        slots = (at_ns - self.start_ns) // self.slot_ns
        pairs = slots // 2
        inside = (pairs >= 0) & (pairs < self.pairs)
        own = self.slots(variant)[np.where(inside, pairs, 0)] == slots
        return np.where(inside & own, pairs, -1)


class Gate:
    """Waiting times until the slots of one variant."""

    def __init__(self, plan: SlotPlan, variant: Name) -> None:
        self._plan = plan
        self._slots: list[int] = plan.slots(variant).tolist()

    def wait_s(self, now_ns: int) -> float:
        """Seconds until this variant's next slot; 0 within one, infinite after the last."""
        plan = self._plan
        slot: int = (now_ns - plan.start_ns) // plan.slot_ns
        pair = max(slot // 2, 0)
        if pair >= plan.pairs:
            return float("inf")
        if slot == self._slots[pair]:
            return 0.0
        if slot > self._slots[pair]:
            pair += 1
        if pair >= plan.pairs:
            return float("inf")
        return (plan.start_ns + self._slots[pair] * plan.slot_ns - now_ns) / 1e9
