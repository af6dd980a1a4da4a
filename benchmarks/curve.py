"""The cost over one size, and its shape."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from measurement import Metrics

BEND = 1.5
"""A cost may exceed that of a flat or straight line by half: caches get colder with size."""


@dataclass
class Curve:
    """The cost over one size.

    Attributes:
        key: Name on the command line.
        title: Name in the picture.
        over: Title of the horizontal axis.
        sizes: The points of measurement.
        is_total: The cost is that of the whole, in ms, so it may grow straight; else it is that of
            one request, in us, and must be flat.
        points: By size, `cpu` and `memory_mb` of each round.
    """

    key: str
    title: str
    over: str
    sizes: tuple[int, ...]
    is_total: bool = False
    points: dict[int, list[Metrics]] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """The unit of the cost."""
        return "ms of CPU" if self.is_total else "us of CPU each"

    def medians(self, metric: str) -> dict[int, float]:
        """Return the median of a metric over the rounds, by size."""
        return {
            size: statistics.median(each[metric] for each in rounds)
            for size, rounds in self.points.items()
        }

    @property
    def bends(self) -> bool:
        """The greatest sizes cost more than a flat or straight line would."""
        costs = self.medians("cpu")
        if len(costs) < 2:
            return False
        return (bends_up if self.is_total else rises)(costs)

    @property
    def verdict(self) -> str:
        """The shape in a word."""
        if len(self.points) < len(self.sizes):
            return "incomplete"
        return "bends" if self.bends else "straight" if self.is_total else "flat"

    def to_json(self) -> dict[str, Any]:
        """Return the curve as it is written to a file."""
        cpu, memory = self.medians("cpu"), self.medians("memory_mb")
        return {
            "title": self.title,
            "over": self.over,
            "unit": self.unit,
            "verdict": self.verdict,
            "points": [
                {
                    "size": size,
                    "cpu": round(cpu[size], 2),
                    "memory_mb": round(memory[size], 1),
                    "rounds": len(rounds),
                }
                for size, rounds in self.points.items()
            ],
        }


def rises(costs: Mapping[int, float]) -> bool:
    """Tell whether the greatest size costs half more than the cheapest one, each."""
    values: Sequence[float] = list(costs.values())
    return values[-1] > BEND * min(values)


def bends_up(costs: Mapping[int, float]) -> bool:
    """Tell whether the last step is half steeper than the line through all before."""
    points = list(costs.items())
    if len(points) < 3:
        return False
    (first, base), (before, lower), (last, upper) = points[0], points[-2], points[-1]
    return (upper - lower) / (last - before) > BEND * (lower - base) / (before - first)
