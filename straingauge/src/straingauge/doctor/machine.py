"""Checks of the machine that sends the load."""

import os
import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from straingauge.doctor.check_result import CheckContext, CheckResult, State
from straingauge.engine import require_open_files
from straingauge.errors import UsageError
from straingauge.number_text import count
from straingauge.observe import ProcessTable, ServiceProcesses
from straingauge.result.format import WriteError
from straingauge.result.format.write import require_writable

SAMPLE_S = 1.0
BUSY_SHARE = 0.15  # of all cores
LITTLE_DISK_MB, NO_DISK_MB = 1000, 50  # an hour's run writes a few megabytes
LITTLE_MEMORY_SHARE = 0.10
CLOCK_SOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies")


def other_load(context: CheckContext) -> Iterator[CheckResult]:
    """Check that other processes leave the cores free."""
    before, began_s = ProcessTable.snapshot(), time.monotonic()
    time.sleep(SAMPLE_S)
    after, took_s = ProcessTable.snapshot(before), time.monotonic() - began_s
    ours = set(after.family(psutil.Process().pid)) | _service(context, after)
    cpus = _own_cpus()
    used_s = {
        pid: used_s * _share_of(cpus, pid)
        for pid, row in after.rows.items()
        if pid in before.rows and pid not in ours and (used_s := row.own_s - before.rows[pid].own_s)
    }
    cores = len(cpus)
    share = sum(used_s.values()) / took_s / cores
    if share < BUSY_SHARE:
        used = f"other processes use {share:.0%} of {count(cores, 'core')}"
        yield CheckResult("other load", "ok", used)
        return
    busiest = sorted(used_s, key=lambda pid: -used_s[pid])[:3]
    named = ", ".join(f"{_name(pid)} {used_s[pid] / took_s:.0%} of a core" for pid in busiest)
    yield CheckResult(
        "other load",
        "warning",
        f"other processes use {share:.0%} of {count(cores, 'core')}: {named}",
        "stop them, or wait: they would add to response times",
    )


def _own_cpus() -> frozenset[int]:
    """Return the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(psutil.cpu_count() or 1))


def _share_of(cpus: frozenset[int], pid: int) -> float:
    """Return which share of the CPUs that a process may use are among these."""
    try:
        allowed = os.sched_getaffinity(pid) if hasattr(os, "sched_getaffinity") else cpus
    except OSError:  # it has ended
        allowed = cpus
    return len(cpus & allowed) / len(allowed)


def open_files(context: CheckContext) -> Iterator[CheckResult]:
    """Check that this process may open a connection for each user."""
    try:
        require_open_files(context.users)
    except UsageError as error:
        yield CheckResult("open files", "problem", str(error), error.hint or "")
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = "any number of files" if hard == resource.RLIM_INFINITY else count(hard, "file")
    yield CheckResult("open files", "ok", f"a process may open {files}")


def disk(context: CheckContext) -> Iterator[CheckResult]:
    """Check that results can be written, and the free disk space."""
    try:
        require_writable(context.results)
    except WriteError as error:
        yield CheckResult("disk", "problem", str(error), error.hint or "")
        return
    there = next(
        folder for folder in (context.results, *context.results.parents) if folder.exists()
    )
    free_mb = shutil.disk_usage(there).free / 1e6
    room = f"{free_mb:,.0f} MB free where results go ({there})"
    if free_mb >= LITTLE_DISK_MB:
        yield CheckResult("disk", "ok", room)
        return
    state: State = "warning" if free_mb >= NO_DISK_MB else "problem"
    yield CheckResult("disk", state, room, "free some space, or use another folder: --results DIR")


def memory(_: CheckContext) -> Iterator[CheckResult]:
    """Check the available memory."""
    seen = psutil.virtual_memory()
    share = seen.available / seen.total
    enough = share >= LITTLE_MEMORY_SHARE
    yield CheckResult(
        "memory",
        "ok" if enough else "warning",
        f"{seen.available / 1e6:,.0f} MB available ({share:.0%})",
        "" if enough else "stop other programs, to avoid swapping",
    )


def clock_source(_: CheckContext) -> Iterator[CheckResult]:
    """Check that reading the clock is cheap, since each request reads it several times."""
    try:
        name = CLOCK_SOURCE.read_text(encoding="ascii").strip()
    except OSError:  # not Linux
        return
    slow = name in SLOW_CLOCKS
    yield CheckResult(
        "clock source",
        "warning" if slow else "ok",
        f"the kernel uses {name}",
        "use tsc: a slow clock makes the load generator slow" if slow else "",
    )


def _service(context: CheckContext, table: ProcessTable) -> set[int]:
    if not context.answers:
        return set()
    sample = ServiceProcesses(context.listening_url, context.server_pid).sample(table)
    return set(sample.family) if sample else set()


def _name(pid: int) -> str:
    with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return str(psutil.Process(pid).name())
    return f"process {pid}"
