"""Delays that the generator itself causes."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from straingauge.histogram import Histogram

_BATCH: Final = 1024


@dataclass(frozen=True, slots=True)
class Delay:
    """A distribution of delays, in milliseconds; zeros when there were none to measure."""

    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, histogram: Histogram) -> "Delay":
        """Summarize a histogram."""
        p50, p99 = histogram.quantile_ns(0.50), histogram.quantile_ns(0.99)
        return cls((p50 or 0) / 1e6, (p99 or 0) / 1e6, (histogram.max_ns or 0) / 1e6)


class DelayHistogram:
    """A histogram that is cheap to add to one by one."""

    __slots__ = ("_added", "_histogram")

    def __init__(self) -> None:
        self._added: list[int] = []
        self._histogram = Histogram()

    def add(self, delay_ns: int) -> None:
        """Count one delay, in nanoseconds."""
        self._added.append(delay_ns)
        if len(self._added) >= _BATCH:
            self._flush()

    @property
    def histogram(self) -> Histogram:
        """All delays so far."""
        self._flush()
        return self._histogram

    def _flush(self) -> None:
        self._histogram.add(np.array(self._added, dtype=np.int64))
        self._added.clear()
