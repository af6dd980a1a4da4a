"""Each connection is an open file, and a process has only so many."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from straingauge.errors import UsageError

if sys.platform != "win32":
    import resource

# For what is open besides: standard streams, pipes, sockets of others, libraries read late.
_OTHERS: Final = 64


@contextmanager
def raise_fd_limit(connections: int) -> Iterator[None]:
    """As many files as this process may open, while it lasts.

    Raises:
        UsageError: they are too few for so many connections.
    """
    if sys.platform == "win32":  # it has no such limit
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + _OTHERS:
        raise UsageError(
            f"{connections} connections need {connections + _OTHERS} open files,"
            f" this process may have {hard}",
            hint="raise the limit (ulimit -Hn), or share the load among more processes",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
