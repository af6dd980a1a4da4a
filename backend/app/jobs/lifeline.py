"""A child process that ends with its parent, even when the parent is killed with `kill -9`.

The parent gives the child a pipe as standard input and never writes to it. Only the parent holds
the other end, so the operating system closes it when the parent is gone, and the child reads the
end of the file. Unlike `PR_SET_PDEATHSIG` this works on every POSIX system and from any thread.
"""

import os
import sys
import threading
import time
from collections.abc import Callable


def end_with_parent(stop: Callable[[], None] | None = None, *, grace_s: float = 10.0) -> None:
    """Watch standard input from a thread, and end this process when the parent has gone.

    Args:
        stop: Called first, in that thread, to ask for an orderly end; without it there is none.
        grace_s: Time for the orderly end; then the process ends as it is.
    """

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        if stop is not None:
            stop()
            time.sleep(grace_s)  # a process that ends in time takes this thread along
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
