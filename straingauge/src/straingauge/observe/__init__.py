"""What the service does while load is on it, seen from inside, on the clock of the requests."""

from straingauge.observe.exposition import MetricsPage, parse
from straingauge.observe.process import ProcessSample, ServiceProcesses
from straingauge.observe.watch import Names, Observer, Sample, Watched

__all__ = [
    "MetricsPage",
    "Names",
    "Observer",
    "ProcessSample",
    "Sample",
    "ServiceProcesses",
    "Watched",
    "parse",
]
