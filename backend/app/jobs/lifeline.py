"""A child process that ends with its parent, even when the parent is killed with `kill -9`.

The parent gives the child a pipe as standard input and never writes to it. Only the parent holds
the other end, so the operating system closes it when the parent is gone, and the child reads the
end of the file. Unlike `PR_SET_PDEATHSIG` this works on every POSIX system and from any thread.
"""

import os
import sys
import threading
from collections.abc import Callable


def _end_now() -> None:
    os._exit(1)


def end_with_parent(act: Callable[[], None] = _end_now) -> None:
    """Watch standard input from a thread, and call `act` in it when the parent has gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        act()

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
