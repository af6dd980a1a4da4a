"""CPU cores of the services and of the load generator, and their priority.

The core on which the kernel runs one of two equal services makes a difference of several percent,
for as long as it stays there; alternating slots do not average it out. So both services share the
same cores, which they use in turn, and the generator has another one. They have priority over other
processes on these cores, if this user may set it.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_PRIORITY: Final = -10  # about 90% of a core shared with one other process


@dataclass(frozen=True, slots=True)
class Affinity:
    """Cores of each part; empty where affinity cannot be set.

    Attributes:
        services: Cores of both services and their databases.
        generator: Cores of the processes that send the load.
    """

    services: frozenset[int] = frozenset()
    generator: frozenset[int] = frozenset()

    @classmethod
    def of_this_machine(cls) -> "Affinity":
        """The first usable core for the generator, the others for the services."""
        if not hasattr(os, "sched_getaffinity"):  # not Linux
            return cls()
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(frozenset(others), frozenset({first})) if others else cls()


@contextmanager
def started_on(cores: frozenset[int]) -> Iterator[None]:
    """Run processes started within the block on these cores, with priority over others.

    Args:
        cores: The cores; if empty, nothing is changed.
    """
    if not cores:
        yield
        return
    ours, priority = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    os.sched_setaffinity(0, cores)
    if _may_raise_priority():
        os.setpriority(os.PRIO_PROCESS, 0, min(_PRIORITY, priority))
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)
        os.setpriority(os.PRIO_PROCESS, 0, priority)


def _may_raise_priority() -> bool:
    """True if this user may raise the priority, and lower it again."""
    if os.geteuid() == 0:
        return True
    soft, _ = resource.getrlimit(resource.RLIMIT_NICE)  # the limit is 20 - nice
    return soft >= 20 - _PRIORITY
