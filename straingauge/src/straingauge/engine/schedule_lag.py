"""The lag of one process behind its schedule."""

from straingauge.engine.delay_histogram import Delay, DelayHistogram


class ScheduleLag:
    """Start delays of one process's arrivals, and how many waited or were dropped.

    Attributes:
        start_delay: delay between each arrival's intended start and when it was handled: the
            generator's own, by no fault of the service.
        waited: arrivals that found no free user; their response time includes the wait.
        dropped: arrivals that never started.
    """

    __slots__ = ("dropped", "start_delay", "waited")

    def __init__(self) -> None:
        self.start_delay = DelayHistogram()
        self.waited = 0
        self.dropped = 0

    @property
    def start_delay_ms(self) -> Delay:
        """Distribution of the start delay, in milliseconds."""
        return Delay.of(self.start_delay.histogram)
