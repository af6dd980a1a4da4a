"""Observe the service, its database and the machine during a load, on the clock of the requests."""

from straingauge.observe.database_stats import DatabaseStats
from straingauge.observe.metric_names import MetricNames
from straingauge.observe.observer import COOLDOWN_S, Observations, Observer, Sample
from straingauge.observe.process import ProcessSample, ServiceProcesses
from straingauge.observe.process_table import ProcessTable
from straingauge.observe.prometheus import MetricsClient, parse

__all__ = [
    "COOLDOWN_S",
    "DatabaseStats",
    "MetricNames",
    "MetricsClient",
    "Observations",
    "Observer",
    "ProcessSample",
    "ProcessTable",
    "Sample",
    "ServiceProcesses",
    "parse",
]
