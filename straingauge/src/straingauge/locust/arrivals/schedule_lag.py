"""How well the task runs of one process kept their due times.

The response times of a run can be trusted only as far as these figures are small.
"""

from straingauge.engine import Delay
from straingauge.engine.delay_histogram import DelayHistogram


class ScheduleLag:
    """Task runs that were due at a given time.

    Attributes:
        waited: Runs that found no free user when due; their response time includes the wait.
        dropped: Runs that never started.
    """

    def __init__(self) -> None:
        self.waited = 0
        self.dropped = 0
        self._lag = DelayHistogram()

    def add(self, lag_ns: int) -> None:
        """Record how late the generator handled a run, apart from any wait for a user."""
        self._lag.add(lag_ns)

    @property
    def late_ms(self) -> Delay:
        """How late the generator was."""
        return Delay.of(self._lag.histogram)
