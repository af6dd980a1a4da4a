"""Main threads that should wait for events and wait for something else (Linux).

The only thread of an event loop (Node.js, asyncio, nginx) sleeps in `epoll_wait` on one file
descriptor while nothing happens. If it sleeps in another call, or on another descriptor, it is in a
blocking call, and every request waits with it. `/proc/PID/syscall` has the number and the arguments
of the call in which the main thread sleeps; see proc(5).
"""

import contextlib
import platform
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Final

# epoll_wait, epoll_pwait, epoll_pwait2, by the syscall tables of Linux.
_EPOLL_CALLS: Final = {"x86_64": {"232", "281", "441"}, "aarch64": {"22", "441"}}
_RUNNING: Final = ("running", "")  # on a CPU, or ready to run


class LoopThreads:
    """The main threads of a service that wait for events.

    Args:
        folder: The folder of the processes.
    """

    def __init__(self, folder: Path = Path("/proc")) -> None:
        self._folder = folder
        self._epoll = _EPOLL_CALLS.get(platform.machine(), set())
        self._descriptors: dict[int, int] = {}
        self._calls: dict[int, Counter[tuple[str, str]]] = {}

    def begin(self, pids: Collection[int]) -> None:
        """Start the load: note on which descriptor each event loop waits."""
        self._descriptors, self._calls = {}, {}
        for pid in pids:
            self._look(pid)

    def sample(self, pids: Collection[int]) -> dict[str, float]:
        """Return the looks at these threads so far, and those that met a blocking call.

        Empty if the service has no event loop in its main thread, or may not be looked at.
        """
        for pid in pids:
            call = self._look(pid)
            if call is not None:
                self._calls.setdefault(pid, Counter())[call] += 1
        loops = [(pid, calls) for pid, calls in self._calls.items() if pid in self._descriptors]
        if not loops:
            return {}
        looks = sum(calls.total() for _, calls in loops)
        other = sum(self._blocked(pid, calls) for pid, calls in loops)
        return {"loop_thread_samples": looks, "loop_thread_blocked": other}

    def _look(self, pid: int) -> tuple[str, str] | None:
        """Return the call of a main thread, and note its descriptor if it waits for events.

        That of the main loop is the lowest: a loop within a call is opened later.
        """
        call = self._call(pid)
        if call is not None and call[0] in self._epoll:
            descriptor = int(call[1], 16)
            self._descriptors[pid] = min(descriptor, self._descriptors.get(pid, descriptor))
        return call

    def _blocked(self, pid: int, calls: Counter[tuple[str, str]]) -> int:
        own = self._descriptors[pid]
        return sum(
            count
            for (number, argument), count in calls.items()
            if (number, argument) != _RUNNING
            and not (number in self._epoll and int(argument, 16) == own)
        )

    def _call(self, pid: int) -> tuple[str, str] | None:
        """Return the number of a system call and its first argument; None if it is unknown."""
        with contextlib.suppress(OSError):  # it has exited, or may not be looked at
            words = (self._folder / str(pid) / "syscall").read_text(encoding="ascii").split()
            if words and words[0] != "-1":  # asleep outside of any call: a page fault
                return words[0], words[1] if len(words) > 1 else ""
        return None
