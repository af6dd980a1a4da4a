"""The end of workers whose parent was killed.

Workers of a killed parent would serve on and keep the port, so the service could not be started
again.
"""

import logging
import multiprocessing
import os
import select
import signal
import threading
from multiprocessing.process import BaseProcess

logger = logging.getLogger(__name__)


def stop_with_parent() -> threading.Thread | None:
    """Stop this process gracefully when the process that started it as a worker has ended.

    Returns:
        The thread that waits for it; None if this process is not a worker.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return None
    thread = threading.Thread(target=_stop_after, args=(parent,), name="parent-end", daemon=True)
    thread.start()
    return thread


def _stop_after(parent: BaseProcess) -> None:
    _wait_for_end(parent)
    logger.warning("the parent of this worker has ended: it stops")
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_end(parent: BaseProcess) -> None:
    # `join` reads a pipe that the parent holds open. Workers that are forks hold it, too, until
    # they end, so one after the other would notice.
    try:
        handle = os.pidfd_open(parent.pid or 0)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not on Linux, or a kernel before 5.3
        parent.join()
        return
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        poller.poll()
    finally:
        os.close(handle)
