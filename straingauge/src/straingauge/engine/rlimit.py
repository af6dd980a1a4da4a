"""The limit of open files, of which each connection is one."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from straingauge.errors import UsageError
from straingauge.number_text import count

if sys.platform != "win32":
    import resource

# Other open files: standard streams, pipes, sockets of observers, libraries that are loaded late.
_OTHER_FILES: Final = 64


def require_open_files(connections: int) -> None:
    """Check that a process may open as many connections.

    Raises:
        UsageError: The hard limit of open files is too low.
    """
    if sys.platform == "win32":  # it has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + _OTHER_FILES:
        raise UsageError(
            f"{count(connections, 'connection')} need"
            f" {count(connections + _OTHER_FILES, 'open file')},"
            f" and a process may have {hard}",
            hint=f"use at most {count(max(hard - _OTHER_FILES, 1), 'user')} for each process, more"
            " processes or machines, or a higher limit (ulimit -n; the administrator's limit is"
            " ulimit -Hn)",
        )


@contextmanager
def raise_fd_limit(connections: int) -> Iterator[None]:
    """Raise the limit of open files to the hard limit within the block.

    Raises:
        UsageError: that is too few for this number of connections.
    """
    if sys.platform == "win32":  # it has no such limit
        yield
        return
    require_open_files(connections)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
