"""Times that threads ran or waited for a CPU, as the kernel counts them (Linux).

The first two numbers of `schedstat` are the time on a CPU and the time on a run queue in ns, for
each thread; see Documentation/scheduler/sched-stats.rst of Linux.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MAX_THREADS: Final = 64  # of a process


@dataclass(frozen=True, slots=True)
class CpuWait:
    """Times so far.

    Attributes:
        waited_s: Time that threads were ready to run and waited for a CPU, summed.
        busiest_s: Time that the busiest thread of a process ran or waited, on average of them.
    """

    waited_s: float
    busiest_s: float


class CpuWaits:
    """The waits of several processes, from sample to sample."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[int, int]] = {}
        self._waited_ns = 0
        self._busiest_ns = 0.0

    def sample(self, pids: Sequence[int]) -> CpuWait | None:
        """Return the times since the first sample; None if the kernel does not count them."""
        busiest_ns = []
        now: dict[str, tuple[int, int]] = {}
        for pid in pids:
            most_ns = 0
            for thread, ran_ns, waited_ns in _threads(pid):
                now[thread] = ran_ns, waited_ns
                if thread in self._before:
                    ran_before_ns, waited_before_ns = self._before[thread]
                    self._waited_ns += waited_ns - waited_before_ns
                    most_ns = max(most_ns, ran_ns - ran_before_ns + waited_ns - waited_before_ns)
            busiest_ns.append(most_ns)
        self._before = now
        if not now:
            return None
        self._busiest_ns += sum(busiest_ns) / len(busiest_ns)
        return CpuWait(self._waited_ns / 1e9, self._busiest_ns / 1e9)


def _threads(pid: int) -> Iterator[tuple[str, int, int]]:
    """Yield each thread of a process with its times; nothing if it has exited."""
    with contextlib.suppress(OSError):
        for thread in list(Path(f"/proc/{pid}/task").iterdir())[:MAX_THREADS]:
            with contextlib.suppress(OSError, ValueError):  # it has ended
                ran_ns, waited_ns, _ = (thread / "schedstat").read_text().split()
                yield thread.name, int(ran_ns), int(waited_ns)
