"""Which cores the services have, and which the generator; and that both go first there.

Where the kernel has put one of two equal services is a difference of several percent that lasts for
as long as it leaves it there: turns do not level it out. So both have the same cores, of which they
make use in turn, and the generator another one. What else runs on them waits, where we may say so.
"""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

_PRIORITY: Final = -10  # nine tenths of a core that one other program wants as well


@dataclass(frozen=True, slots=True)
class Affinity:
    """Who may run where; both empty where that cannot be said: wherever the kernel likes.

    Attributes:
        services: Of both services and their databases.
        generator: Of the processes that play.
    """

    services: frozenset[int] = frozenset()
    generator: frozenset[int] = frozenset()

    @classmethod
    def of_this_machine(cls) -> "Affinity":
        """The first core that is ours for the generator, the others for the services.

        Of several processes on one core the kernel gives each its part: a service that needs more
        than one core gets all but one.
        """
        if not hasattr(os, "sched_getaffinity"):  # not Linux
            return cls()
        first, *others = sorted(os.sched_getaffinity(0))
        return cls(frozenset(others), frozenset({first})) if others else cls()


@contextmanager
def started_on(cores: frozenset[int]) -> Iterator[None]:
    """What is started within the block runs on these cores only, before others.

    Args:
        cores: Theirs; none: wherever the kernel likes.
    """
    if not cores:
        yield
        return
    ours, priority = os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
    os.sched_setaffinity(0, cores)
    if _may_go_first():
        os.setpriority(os.PRIO_PROCESS, 0, min(_PRIORITY, priority))
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)
        os.setpriority(os.PRIO_PROCESS, 0, priority)


def _may_go_first() -> bool:
    """Whether this user may take precedence over others, and give it up again."""
    if os.geteuid() == 0:
        return True
    soft, _ = resource.getrlimit(resource.RLIMIT_NICE)  # 20 - nice is the most there is
    return soft >= 20 - _PRIORITY
