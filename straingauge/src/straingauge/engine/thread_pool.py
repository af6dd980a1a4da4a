"""Threads for own steps that are no coroutines."""

import queue
import threading
from collections.abc import Callable
from typing import Final

MAX_THREADS: Final = 64  # of a process; Python runs one at a time, apart from waiting

Job = Callable[[], None]


class ThreadPool:
    """Threads that end with the process: a call that never returns cannot hold it.

    Args:
        most: Number of threads; further jobs wait.
    """

    def __init__(self, most: int = MAX_THREADS) -> None:
        self._most = most
        self._threads = 0
        self._free = threading.Semaphore(0)
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def submit(self, job: Job) -> None:
        """Run a job, which handles its own exceptions, in a thread."""
        self._jobs.put(job)
        if not self._free.acquire(blocking=False) and self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, name="straingauge-step", daemon=True).start()

    def close(self) -> None:
        """End the threads when their jobs have ended."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._free.release()
