"""Bookkeeping of a load that is shared by processes on several machines; no I/O.

`straingauge.locust.distributed` exchanges the messages that drive it.
"""

from straingauge.distributed.clock_sync import ClockSync, Reading
from straingauge.distributed.fingerprint import (
    Fingerprints,
    find_differences,
    fingerprint_file,
    fingerprint_folder,
    fingerprint_modules,
)
from straingauge.distributed.process_report import ProcessReport
from straingauge.distributed.shared_cpus import shared_cpus_note
from straingauge.distributed.user_ids import UserIdAllocator
from straingauge.distributed.worker_registry import WorkerRegistry

__all__ = [
    "ClockSync",
    "Fingerprints",
    "ProcessReport",
    "Reading",
    "UserIdAllocator",
    "WorkerRegistry",
    "find_differences",
    "fingerprint_file",
    "fingerprint_folder",
    "fingerprint_modules",
    "shared_cpus_note",
]
