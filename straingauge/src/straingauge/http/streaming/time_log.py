"""Times of one stream, in bounded memory."""

from typing import Final

import numpy as np

from straingauge.histogram import Histogram

_MAX_KEPT: Final = 1024


class TimeLog:
    """Times in nanoseconds: a list, counted into a histogram when it is long."""

    __slots__ = ("_counted", "_values")

    def __init__(self) -> None:
        self._values: list[int] = []
        self._counted: Histogram | None = None

    def add(self, time_ns: int) -> None:
        """Add a time."""
        values = self._values
        values.append(time_ns)
        if len(values) >= _MAX_KEPT:
            if self._counted is None:
                self._counted = Histogram()
            self._counted.add(np.array(values, dtype=np.int64))
            values.clear()

    def add_to(self, histogram: Histogram) -> None:
        """Add all times to a histogram."""
        histogram.add(np.array(self._values, dtype=np.int64))
        if self._counted is not None:
            histogram.merge(self._counted)
