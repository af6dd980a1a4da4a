"""Numbers of uses, each given out once in all processes that share a load."""

import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Final, Protocol

from straingauge.errors import UsageError

_BYTES: Final = 8  # of one counter


class RowNumbers(Protocol):
    """Gives out numbers of uses, from 0."""

    def take(self, feeder: int, rows: int) -> int:
        """Return the next number of a feeder.

        Args:
            feeder: Number of the feeder in its process, the same in all processes.
            rows: Number of its rows.
        """

    def close(self) -> None:
        """Free what the numbers need."""


class LocalNumbers:
    """Numbers for one process."""

    def __init__(self) -> None:
        self._next: Counter[int] = Counter()
        self._lock = threading.Lock()

    def take(self, feeder: int, rows: int) -> int:  # noqa: ARG002  as the protocol has it
        """Return the next number of a feeder."""
        with self._lock:
            number = self._next[feeder]
            self._next[feeder] = number + 1
        return number

    def close(self) -> None:
        """Free nothing."""


class SharedNumbers:
    """Numbers for all processes of this machine that open the same file.

    A lock of the kernel guards each counter, and ends with its process. A number takes 5 us, and
    does not wait for other processes to answer.

    Args:
        path: The file; created by the first process.

    Raises:
        UsageError: On Windows, which has no such locks.
    """

    def __init__(self, path: Path) -> None:
        if sys.platform == "win32":
            raise UsageError(
                "feeders need a single process on Windows", hint="--processes 1, or no -n"
            )
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._lock = threading.Lock()  # the kernel's lock is one of processes

    def take(self, feeder: int, rows: int) -> int:  # noqa: ARG002  as the protocol has it
        """Return the next number of a feeder."""
        import fcntl

        at = feeder * _BYTES
        with self._lock:
            fcntl.lockf(self._file, fcntl.LOCK_EX, _BYTES, at)
            try:
                number = int.from_bytes(os.pread(self._file, _BYTES, at), "little")
                os.pwrite(self._file, (number + 1).to_bytes(_BYTES, "little"), at)
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _BYTES, at)
        return number

    def close(self) -> None:
        """Close the file, and remove it; other processes still have it."""
        os.close(self._file)
        self._path.unlink(missing_ok=True)
