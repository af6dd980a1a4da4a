"""All processes of this machine at one instant, by one pass over them: some 15 us for each."""

import contextlib
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import psutil


class Row(NamedTuple):
    """One process.

    Attributes:
        parent: Its parent's number.
        own_s: CPU time it has used.
        reaped_s: CPU time of its children that have ended, and of theirs.
    """

    parent: int
    own_s: float
    reaped_s: float


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """Who was there.

    Attributes:
        rows: By process number.
    """

    rows: dict[int, Row]

    @classmethod
    def take(cls, before: "ProcessTable | None" = None) -> "ProcessTable":
        """Look at all of them; one that has just ended is left out.

        Args:
            before: An earlier one. Who has a parent keeps it while that lives, so it need not be
                asked again, which costs twice as much as all the rest.
        """
        known = before.rows if before is not None else {}
        here = set(psutil.pids())
        rows: dict[int, Row] = {}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                used = process.cpu_times()
                reaped_s = getattr(used, "children_user", 0) + getattr(used, "children_system", 0)
                had = known.get(process.pid)
                parent = had.parent if had and had.parent in here else process.ppid()
                rows[process.pid] = Row(parent, used.user + used.system, reaped_s)
        return cls(rows)

    def family(self, root: int) -> list[int]:
        """A process and all its descendants, itself first; empty when it is not there."""
        children: dict[int, list[int]] = defaultdict(list)
        for pid, row in self.rows.items():
            if pid != row.parent:  # the kernel is its own parent on some systems
                children[row.parent].append(pid)
        found = [root] if root in self.rows else []
        for pid in found:
            found += children[pid]
        return found

    def cpu_s(self, pids: set[int]) -> float:
        """CPU time of these and of their children that have ended."""
        rows = [self.rows[pid] for pid in pids if pid in self.rows]
        return sum(row.own_s + row.reaped_s for row in rows)
