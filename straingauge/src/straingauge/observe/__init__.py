"""What the service does while load is on it, seen from inside, on the clock of the requests."""

from straingauge.observe.census import Census
from straingauge.observe.exposition import MetricsPage, parse
from straingauge.observe.names import Names
from straingauge.observe.process import ProcessSample, ServiceProcesses
from straingauge.observe.seen import DatabaseSeen
from straingauge.observe.watch import QUIET_S, Observer, Sample, Watched

__all__ = [
    "QUIET_S",
    "Census",
    "DatabaseSeen",
    "MetricsPage",
    "Names",
    "Observer",
    "ProcessSample",
    "Sample",
    "ServiceProcesses",
    "Watched",
    "parse",
]
