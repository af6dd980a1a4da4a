"""Many processes, one load: one start instant, one schedule shared out, one merged record."""

from straingauge.workers.coordinator import Coordinator, Watcher
from straingauge.workers.local_coordinator import LocalCoordinator
from straingauge.workers.messages import CoordinatorError, LostProcess, MergedReports, Report, Shard
from straingauge.workers.worker_client import CoordinatorClient, LoadAborted, WorkerClient

__all__ = [
    "Coordinator",
    "CoordinatorClient",
    "CoordinatorError",
    "LoadAborted",
    "LocalCoordinator",
    "LostProcess",
    "MergedReports",
    "Report",
    "Shard",
    "Watcher",
    "WorkerClient",
]
