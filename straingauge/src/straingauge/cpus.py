"""CPUs that this process may use: by its affinity and by the quota of its control group."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

from straingauge.control_groups import cpu_quota, group_folders


def usable_cpus() -> int:
    """Return the number of CPUs that this process may use; at least 1.

    A container with 1.5 CPUs has 1: a second busy process would wait for the quota.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, math.floor(min(allowed or 1, _quota(group_folders("cpu")))))


def _quota(folders: Iterable[Path]) -> float:
    """Return the smallest quota of a process's groups in CPUs; infinity if none is set."""
    return min(filter(None, map(cpu_quota, folders)), default=math.inf)
