"""Record transactions: their times and ends, by name."""

from typing import Final

import numpy as np

from straingauge.histogram import Histogram
from straingauge.journey import TransactionEnd

_FLUSH_AT: Final = 1024


class TransactionSeries:
    """The transactions of one name in one phase.

    Attributes:
        completed, failed, abandoned: Their number by how they ended; see `TransactionEnd`.
        response: Times of completed ones, without the pauses of the journey.
        duration: Times of completed ones, with the pauses.
        failed_response: Times of failed ones until their end, without the pauses.
    """

    __slots__ = ("abandoned", "completed", "duration", "failed", "failed_response", "response")

    def __init__(self) -> None:
        self.completed = self.failed = self.abandoned = 0
        self.response = Histogram()
        self.duration = Histogram()
        self.failed_response = Histogram()

    @property
    def histograms(self) -> tuple[Histogram, ...]:
        """All histograms, in the order of the record format."""
        return (self.response, self.duration, self.failed_response)

    def merge(self, other: "TransactionSeries") -> None:
        """Add everything from another series; the order does not matter."""
        self.completed += other.completed
        self.failed += other.failed
        self.abandoned += other.abandoned
        for mine, theirs in zip(self.histograms, other.histograms, strict=True):
            mine.merge(theirs)


class TransactionRecorder:
    """Record the transactions of one name in one phase; see `engine.TransactionSink`."""

    __slots__ = ("_completed", "_failed_ns", "_series")

    def __init__(self, series: TransactionSeries) -> None:
        self._series = series
        self._completed: list[tuple[int, int]] = []  # without and with pauses
        self._failed_ns: list[int] = []

    def add(self, begun_ns: int, ended_ns: int, paused_ns: int, end: TransactionEnd) -> None:
        """Add a transaction."""
        series, took_ns = self._series, ended_ns - begun_ns
        if end == "completed":
            series.completed += 1
            self._completed.append((took_ns - paused_ns, took_ns))
        elif end == "failed":
            series.failed += 1
            self._failed_ns.append(took_ns - paused_ns)
        else:
            series.abandoned += 1
        if len(self._completed) + len(self._failed_ns) >= _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Count the times that were added since the last flush."""
        series = self._series
        times_ns = np.array(self._completed, dtype=np.int64).reshape(-1, 2)
        series.response.add(times_ns[:, 0])
        series.duration.add(times_ns[:, 1])
        series.failed_response.add(np.array(self._failed_ns, dtype=np.int64))
        self._completed.clear()
        self._failed_ns.clear()
