"""Exit of a child process when its parent exits, even if the parent is killed with `kill -9`.

The parent passes a pipe as standard input and never writes to it. When the parent exits, the
operating system closes the only write end, and the child reads end-of-file. Unlike
`PR_SET_PDEATHSIG` this works on every POSIX system and from any thread.
"""

import os
import sys
import threading
import time
from collections.abc import Callable


def exit_with_parent(stop: Callable[[], None] | None = None, *, grace_s: float = 10.0) -> None:
    """Watch standard input in a thread, and exit when the parent has exited.

    Args:
        stop: Called first, in that thread, to request a graceful shutdown. Without it the process
            exits at once.
        grace_s: Time for the graceful shutdown in seconds.
    """

    def watch() -> None:
        # Not a background task: whatever fails here, the process must exit.
        try:
            while os.read(sys.stdin.fileno(), 1024):
                pass
            if stop is not None:
                stop()
                time.sleep(grace_s)  # as a daemon thread this ends with the process
        finally:
            os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
