"""The needs of a bench: two cores, and many open files."""

import os
import resource

from nginx import MOST_CONNECTIONS, SPARE_FILES


def machine_cores() -> tuple[int, int]:
    """Return the cores of the target and of the generators; this process runs on the target's."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed: one for the target, one for the generators")
    os.sched_setaffinity(0, {cores[0]})
    return cores[0], cores[1]


def allow_files() -> None:
    """Allow the open files that nginx and a generator of 10,000 connections need."""
    wanted = MOST_CONNECTIONS + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError) as error:
        raise SystemExit(
            f"{MOST_CONNECTIONS:,} connections need {wanted} open files, {hard} are allowed;"
            f" run: ulimit -n {wanted}"
        ) from error
