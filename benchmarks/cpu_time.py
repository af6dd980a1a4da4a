"""CPU time of a process tree, in nanoseconds and not in the kernel's ticks of 10 ms."""

from pathlib import Path

import psutil


class ThreadTimes:
    """CPU time of each thread of a process and its children, from schedstat of proc(5).

    Attributes:
        ns: CPU time in nanoseconds by process and thread.
        waited_ns: Time that they waited for a core, in nanoseconds.
    """

    def __init__(self, process: psutil.Process) -> None:
        self.ns: dict[tuple[int, int], int] = {}
        self.waited_ns: dict[tuple[int, int], int] = {}
        for each in (process, *process.children(recursive=True)):
            for thread in Path(f"/proc/{each.pid}/task").glob("*"):
                try:
                    spent, waited, _ = (thread / "schedstat").read_text().split()
                except (FileNotFoundError, ProcessLookupError):
                    continue  # it has ended
                self.ns[each.pid, int(thread.name)] = int(spent)
                self.waited_ns[each.pid, int(thread.name)] = int(waited)

    def since_s(self, earlier: "ThreadTimes") -> float:
        """Return the CPU time since then, in seconds, without threads that have ended."""
        used_ns = sum(ns - earlier.ns.get(thread, 0) for thread, ns in self.ns.items())
        return used_ns / 1e9

    def main_thread_waited_s(self, earlier: "ThreadTimes", pid: int) -> float:
        """Return how long a process's main thread has waited for a core since then, in seconds."""
        return (self.waited_ns[pid, pid] - earlier.waited_ns[pid, pid]) / 1e9
