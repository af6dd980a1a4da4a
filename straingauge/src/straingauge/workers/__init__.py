"""Several processes that share one load: one start instant, one schedule, merged reports."""

from straingauge.workers.coordinator import Coordinator, Watcher
from straingauge.workers.local_coordinator import LocalCoordinator
from straingauge.workers.messages import CoordinatorError, Shard
from straingauge.workers.reports import (
    Arrivals,
    Ending,
    LostProcess,
    MergedReports,
    Report,
    RunMetadata,
)
from straingauge.workers.worker_client import CoordinatorClient, LoadAborted, WorkerClient

__all__ = [
    "Arrivals",
    "Coordinator",
    "CoordinatorClient",
    "CoordinatorError",
    "Ending",
    "LoadAborted",
    "LocalCoordinator",
    "LostProcess",
    "MergedReports",
    "Report",
    "RunMetadata",
    "Shard",
    "Watcher",
    "WorkerClient",
]
