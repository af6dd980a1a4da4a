"""CPU time of the machine by group: the service, its database, the generator, and all others.

Others are what remains of the machine's CPU time, visible or not: processes in another container,
or another guest of the same host (stolen time).
"""

import contextlib
import os
from collections import defaultdict

import psutil

from straingauge.observe.process_table import ProcessTable

PROFILER = "py-spy"
MIN_NEIGHBOUR_S = 0.02  # of CPU time between two samples: a process that used less is ignored


class Machine:
    """CPU time of the machine, from sample to sample.

    Attributes:
        neighbours: CPU time of other processes, by name, in seconds, since `begin`.
    """

    def __init__(self) -> None:
        self.neighbours: dict[str, float] = {}
        self._used_s: dict[int, float] = {}
        self._kin: dict[int, bool] = {}

    def begin(self) -> None:
        """Start the load: forget the CPU time of others so far."""
        self.neighbours = {}

    def sample(
        self, table: ProcessTable, service: set[int], database: set[int]
    ) -> dict[str, float]:
        """Return the CPU time used so far in seconds, in total and by group."""
        database = database - service
        generator = self._generator(table) - service - database
        self._note(table, service | database | generator)
        return {
            "machine_cpu_s": _busy_s(),
            "service_family_cpu_s": table.cpu_s(service),
            "database_cpu_s": table.cpu_s(database),
            "generator_cpu_s": table.cpu_s(generator),
        }

    def _generator(self, table: ProcessTable) -> set[int]:
        """The processes of the generator.

        These are this process, those that it forked or its parent started with the same command,
        and the parent, which may be their controller (else it is a waiting shell); and the profiler
        that this process started. Other children do not count: a test may start any program.
        """
        me, parent = os.getpid(), os.getppid()
        near = {
            pid
            for pid, row in table.rows.items()
            if row.parent in (me, parent) and self._is_kin(pid)
        }
        return near | {me, parent}

    def _is_kin(self, pid: int) -> bool:
        if pid not in self._kin:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                process = psutil.Process(pid)
                is_profiler = process.name() == PROFILER and process.ppid() == os.getpid()
                self._kin[pid] = is_profiler or process.cmdline() == psutil.Process().cmdline()
        return self._kin.get(pid, False)

    def _note(self, table: ProcessTable, ours: set[int]) -> None:
        before, self._used_s = self._used_s, {pid: row.own_s for pid, row in table.rows.items()}
        if not before:
            return
        noted: dict[str, float] = defaultdict(float, self.neighbours)
        for pid in table.rows.keys() - ours:
            more_s = self._used_s[pid] - before.get(pid, 0.0)
            if more_s >= MIN_NEIGHBOUR_S:
                with contextlib.suppress(psutil.NoSuchProcess):
                    noted[psutil.Process(pid).name()] += more_s
        self.neighbours = dict(noted)


def _busy_s() -> float:
    """CPU time of all cores in seconds, including time that was given to other guests."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "steal")))
