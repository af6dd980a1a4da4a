"""The limit of open files, of which each connection is one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from straingauge.errors import UsageError

if sys.platform != "win32":
    import resource

# Other open files: standard streams, pipes, sockets of observers, libraries that are loaded late.
_OTHER_FILES: Final = 64


@contextmanager
def raise_fd_limit(connections: int) -> Iterator[None]:
    """Raise the limit of open files to the hard limit within the block.

    Raises:
        UsageError: that is too few for this number of connections.
    """
    if sys.platform == "win32":  # it has no such limit
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + _OTHER_FILES:
        raise UsageError(
            f"{connections} connections need {connections + _OTHER_FILES} open files,"
            f" this process may have {hard}",
            hint="raise the limit (ulimit -Hn), or use more processes",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
