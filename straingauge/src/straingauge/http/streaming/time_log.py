"""Times of one stream, in bounded memory."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # every pytest session imports this package, and numpy takes 0.2 s
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
        self._values.append(time_ns)
        if len(self._values) >= _MAX_KEPT:
            if self._counted is None:
                from straingauge.histogram import Histogram

                self._counted = Histogram()
            self._count_into(self._counted)
            self._values.clear()

    def add_to(self, histogram: "Histogram") -> None:
        """Add all times to a histogram."""
        self._count_into(histogram)
        if self._counted is not None:
            histogram.merge(self._counted)

    def _count_into(self, histogram: "Histogram") -> None:
        import numpy as np

        histogram.add(np.array(self._values, dtype=np.int64))
