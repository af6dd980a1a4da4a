"""Start of a process, on a clock that steps of the wall clock do not change."""

import os
import time
from pathlib import Path

import psutil


def process_start_s(pid: int) -> float:
    """Return when a process started: seconds since boot on Linux, since the epoch elsewhere.

    psutil adds the time of boot on Linux, which moves when the wall clock is set.

    Raises:
        psutil.NoSuchProcess: There is no such process.
    """
    try:
        # proc_pid_stat(5): field 22 is the start in clock ticks since boot, after the name in ().
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
    except OSError:  # it has exited, or this is not Linux
        return psutil.Process(pid).create_time()
    return int(fields.split()[19]) / os.sysconf("SC_CLK_TCK")


def process_age_s(pid: int) -> float:
    """Return the age of a process in seconds.

    Raises:
        psutil.NoSuchProcess: There is no such process.
    """
    now_s = time.clock_gettime(time.CLOCK_BOOTTIME) if psutil.LINUX else time.time()
    return now_s - process_start_s(pid)
