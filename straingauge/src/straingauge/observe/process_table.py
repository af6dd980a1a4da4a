"""All processes of this machine at one instant, from one pass that takes 15 us for each."""

import contextlib
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import psutil


class Row(NamedTuple):
    """One process.

    Attributes:
        parent: Process id of its parent.
        own_s: CPU time it has used.
        reaped_s: CPU time of its exited children, and of theirs.
    """

    parent: int
    own_s: float
    reaped_s: float


@dataclass(frozen=True, slots=True)
class ProcessTable:
    """All processes of the machine.

    Attributes:
        rows: By process id.
    """

    rows: dict[int, Row]

    @classmethod
    def snapshot(cls, before: "ProcessTable | None" = None) -> "ProcessTable":
        """Read all processes; those that have just exited are skipped.

        Args:
            before: An earlier table. A process keeps its parent while that lives, so it is not
                queried again, which would cost twice as much as everything else.
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
        """Return a process and all its descendants, itself first; empty if it does not exist."""
        children: dict[int, list[int]] = defaultdict(list)
        for pid, row in self.rows.items():
            if pid != row.parent:  # the kernel is its own parent on some systems
                children[row.parent].append(pid)
        found = [root] if root in self.rows else []
        for pid in found:
            found += children[pid]
        return found

    def cpu_s(self, pids: set[int]) -> float:
        """Return the CPU time of these processes and of their exited children, in seconds."""
        rows = [self.rows[pid] for pid in pids if pid in self.rows]
        return sum(row.own_s + row.reaped_s for row in rows)
