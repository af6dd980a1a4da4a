"""The offset between another machine's clock and this one's, measured by messages.

Neither clock is set. A message that was sent here at a, answered there at b and received here at c
shows that the other clock is ahead by b - (a + c) / 2, with an error of at most (c - a) / 2, since
the answer may have been given at any time in between (Cristian 1989, "Probabilistic clock
synchronization"). The shortest round trip gives the smallest error.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from straingauge.result.format.resources import Clock

RECENT_READINGS: Final = 12  # older ones are dropped, because clocks drift


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """The clock offset measured by one round trip.

    Attributes:
        error_ns: Maximum error of the offset, in either direction.
        offset_ns: How far the other clock is ahead of this one.
    """

    error_ns: int
    offset_ns: int

    @classmethod
    def from_round_trip(cls, sent_ns: int, answered_ns: int, received_ns: int) -> "Reading":
        """Measure the offset by one round trip.

        Args:
            sent_ns: When the message was sent, by this clock.
            answered_ns: When it was answered, by the other clock.
            received_ns: When the answer arrived, by this clock.
        """
        error_ns = (received_ns - sent_ns + 1) // 2
        return cls(error_ns, answered_ns - (sent_ns + received_ns) // 2)


class ClockSync:
    """Recent readings of another machine's clock.

    Attributes:
        aligned: Reading by which this process's run was placed on the other clock's time.
    """

    def __init__(self) -> None:
        self._recent: deque[Reading] = deque(maxlen=RECENT_READINGS)
        self.aligned: Reading | None = None

    def add(self, reading: Reading) -> None:
        """Add a reading."""
        self._recent.append(reading)

    @property
    def best(self) -> Reading | None:
        """The recent reading with the smallest error; None before the first one."""
        return min(self._recent, default=None)

    def align(self, other_ns: int) -> int | None:
        """Convert a time of the other clock to this clock; None before the first reading."""
        self.aligned = self.best
        return None if self.aligned is None else other_ns - self.aligned.offset_ns

    def as_dict(self) -> Clock | None:
        """Return the fields of the result file; `drift_ms` counts from the start of the run."""
        if self.aligned is None or self.best is None:
            return None
        return {
            "offset_ms": round(self.aligned.offset_ns / 1e6, 3),
            "error_ms": round(self.aligned.error_ns / 1e6, 3),
            "drift_ms": round((self.best.offset_ns - self.aligned.offset_ns) / 1e6, 3),
        }
