"""The CPUs on which a service may run, if they are not all, and how busy these are (Linux).

An affinity (`taskset`, `CPUAffinity` of systemd) and the `cpuset` of a container hold processes to
some CPUs: they wait for these while others are idle. See sched_setaffinity(2).
"""

import contextlib
import os
from collections.abc import Collection

import psutil


def sample_allowed_cpus(pids: Collection[int]) -> dict[str, float]:
    """Return the number of CPUs on which these processes may run, and their CPU time so far.

    Empty if they may run on all, or if that is unknown.
    """
    allowed: set[int] = set()
    for pid in pids if hasattr(os, "sched_getaffinity") else ():
        with contextlib.suppress(OSError):  # it has exited
            allowed |= os.sched_getaffinity(pid)
    if not allowed or len(allowed) >= (psutil.cpu_count() or 1):
        return {}
    times = psutil.cpu_times(percpu=True)
    if max(allowed) >= len(times):  # some CPUs are offline, so that the numbers do not fit
        return {}
    busy_s = sum(
        getattr(times[cpu], kind, 0.0)
        for cpu in allowed
        for kind in ("user", "nice", "system", "steal")
    )
    return {"allowed_cpus": float(len(allowed)), "allowed_cpus_busy_s": busy_s}
