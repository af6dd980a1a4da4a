"""How well due moments were kept in one process: the ground for believing its response times."""

from straingauge.engine import Delay
from straingauge.engine.delay_histogram import DelayHistogram


class ScheduleLag:
    """What became of the task runs that were due at a moment of their own.

    Attributes:
        waited: those that found no free user when they were due; their response time counts it.
        dropped: those that never began.
    """

    def __init__(self) -> None:
        self.waited = 0
        self.dropped = 0
        self._late = DelayHistogram()

    def add(self, late_ns: int) -> None:
        """One was handled so long after it was due, by no fault of the service."""
        self._late.add(late_ns)

    @property
    def late_ms(self) -> Delay:
        """How late the generator itself was."""
        return Delay.of(self._late.histogram)
