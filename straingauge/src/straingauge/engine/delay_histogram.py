"""Delays the generator is to blame for, counted in bulk."""

import numpy as np

from straingauge.histogram import Histogram


class DelayHistogram:
    """A histogram that is cheap to add to one by one."""

    __slots__ = ("_fresh", "_histogram")

    def __init__(self) -> None:
        self._fresh: list[int] = []
        self._histogram = Histogram()

    def add(self, delay_ns: int) -> None:
        """Count one."""
        self._fresh.append(delay_ns)
        if len(self._fresh) >= 1024:
            self._flush()

    @property
    def histogram(self) -> Histogram:
        """All of them."""
        self._flush()
        return self._histogram

    def _flush(self) -> None:
        self._histogram.add(np.array(self._fresh, dtype=np.int64))
        self._fresh.clear()
