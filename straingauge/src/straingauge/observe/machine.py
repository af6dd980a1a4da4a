"""Whose CPU time it was: the service's, its database's, the generator's, or somebody else's.

What is left of the machine's when those three are taken off belongs to others, whether they can be
seen or not: processes in another container, or another guest of the same host (stolen time).
"""

import contextlib
import os
from collections import defaultdict

import psutil

from straingauge.observe.process_table import ProcessTable

NOTED_S = 0.02  # of CPU time between two looks: who used less is nobody's busy neighbour


class Machine:
    """Keeps account between one look and the next.

    Attributes:
        neighbours: CPU time of other processes, by name, in seconds, since `begin`.
    """

    def __init__(self) -> None:
        self.neighbours: dict[str, float] = {}
        self._used_s: dict[int, float] = {}
        self._kin: dict[int, bool] = {}

    def begin(self) -> None:
        """What others did till now does not count."""
        self.neighbours = {}

    def sample(
        self, census: ProcessTable, service: set[int], database: set[int]
    ) -> dict[str, float]:
        """CPU time used until now, in seconds, of all and of each."""
        database = database - service
        generator = self._generator(census) - service - database
        self._note(census, service | database | generator)
        return {
            "machine_cpu_s": _busy_s(),
            "service_family_cpu_s": census.cpu_s(service),
            "database_cpu_s": census.cpu_s(database),
            "generator_cpu_s": census.cpu_s(generator),
        }

    def _generator(self, census: ProcessTable) -> set[int]:
        """This process and those of its kind: forked by it, or started as it was by its parent.

        And its parent, which may be the controller of them all; else it is a shell that waits. Not
        all their children: a test may start anything.
        """
        me, parent = os.getpid(), os.getppid()
        near = {
            pid
            for pid, row in census.rows.items()
            if row.parent in (me, parent) and self._is_kin(pid)
        }
        return near | {me, parent}

    def _is_kin(self, pid: int) -> bool:
        if pid not in self._kin:
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                self._kin[pid] = psutil.Process(pid).cmdline() == psutil.Process().cmdline()
        return self._kin.get(pid, False)

    def _note(self, census: ProcessTable, ours: set[int]) -> None:
        before, self._used_s = self._used_s, {pid: row.own_s for pid, row in census.rows.items()}
        if not before:
            return
        noted: dict[str, float] = defaultdict(float, self.neighbours)
        for pid in census.rows.keys() - ours:
            more_s = self._used_s[pid] - before.get(pid, 0.0)
            if more_s >= NOTED_S:
                with contextlib.suppress(psutil.NoSuchProcess):
                    noted[psutil.Process(pid).name()] += more_s
        self.neighbours = dict(noted)


def _busy_s() -> float:
    """CPU time all cores have spent on anybody, or were kept from us by other guests."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "steal")))
