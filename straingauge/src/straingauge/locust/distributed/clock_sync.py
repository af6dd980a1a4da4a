"""How another machine's clock stands to this one's: told by messages there and back.

Neither clock is touched. A message that left here at a, was answered there at b and was back at c
says that theirs is ahead by b - (a + c) / 2, give or take (c - a) / 2: the answer may have been
given at any time between (Cristian 1989). The shortest way there and back says it best.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

RECENT: Final = 12  # as many as are remembered: clocks drift apart


@dataclass(frozen=True, slots=True, order=True)
class Reading:
    """What one message there and back says.

    Attributes:
        error_ns: By how much the offset can be wrong, either way.
        offset_ns: By how much their clock is ahead of this one.
    """

    error_ns: int
    offset_ns: int

    @classmethod
    def of(cls, sent_ns: int, theirs_ns: int, back_ns: int) -> "Reading":
        """From when it left here, when they answered, and when it was back."""
        return cls((back_ns - sent_ns + 1) // 2, theirs_ns - (sent_ns + back_ns) // 2)


class ClockSync:
    """What is known of the master's clock.

    Attributes:
        aligned: The reading by which this process's run was put on the master's time.
    """

    def __init__(self) -> None:
        self._recent: deque[Reading] = deque(maxlen=RECENT)
        self.aligned: Reading | None = None

    def read(self, reading: Reading) -> None:
        """A message has come back."""
        self._recent.append(reading)

    @property
    def best(self) -> Reading | None:
        """The surest of the recent readings; None before there is any."""
        return min(self._recent, default=None)

    def align(self, theirs_ns: int) -> int | None:
        """An instant of the master's clock on this one; None where nothing is known of it."""
        self.aligned = self.best
        return None if self.aligned is None else theirs_ns - self.aligned.offset_ns

    def as_dict(self) -> dict[str, Any] | None:
        """As the result file has it; `drift_ms` is how far it has moved since the beginning."""
        if self.aligned is None or self.best is None:
            return None
        return {
            "offset_ms": round(self.aligned.offset_ns / 1e6, 3),
            "error_ms": round(self.aligned.error_ns / 1e6, 3),
            "drift_ms": round((self.best.offset_ns - self.aligned.offset_ns) / 1e6, 3),
        }
