"""Log file shared by several processes, rotated by size.

Lines are buffered for 0.2 s and appended with a single `write`, so lines of different processes are
never interleaved. Rotation holds a lock file; the other processes reopen the log file before their
next write. No line is split or lost by a rotation. A log that cannot be written costs lines, never
requests: lost lines are counted, and reported on standard error once a minute.
"""

import asyncio
import errno
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

REPORT_EVERY_S = 60.0
_FLUSH_AFTER_S = 0.2
_FLUSH_AT_BYTES = 64 * 1024


class LogFile:
    """Buffered writer for the shared log file."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int,
        backups: int,
        on_lost: Callable[[int], None] = lambda _lines: None,
    ) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._fd = -1
        self._on_lost = on_lost
        self._lost = 0
        self._is_torn = False
        self._reported_at_s: float | None = None
        try:
            self._fd = self._open()
        except OSError as error:  # tried again by each write
            self._report(0, error)

    def write(self, line: bytes, *, flush: bool = False) -> None:
        """Add a line to the buffer, which is flushed within 0.2 s.

        Args:
            line: The line, with its newline.
            flush: Flush immediately. Also done if no event loop is running in this thread.
        """
        with self._lock:
            self._lines.append(line)
            self._size_bytes += len(line)
            is_due = flush or self._size_bytes >= _FLUSH_AT_BYTES
        if is_due:
            self.flush()
        elif self._timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._timer = loop.call_later(_FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Write the buffered lines. Lines that cannot be written are lost, counted and reported."""
        lost, error = 0, None
        with self._lock:
            self._timer = None
            if not self._lines:
                return
            lines, self._lines, self._size_bytes = self._lines, [], 0
            try:
                lost = self._append(lines)
            except OSError as failure:
                lost, error = len(lines), failure
            else:
                error = self._rotate_if_large()
        if lost and error is None:
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._report(lost, error)

    def close(self) -> None:
        """Write the buffered lines and close the file. Can be called more than once."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        self._close_fd()

    def _append(self, lines: list[bytes]) -> int:
        """Append lines; return how many were lost because the disk took a part of the data.

        Raises:
            OSError: None was written.
        """
        self._reopen_if_rotated()
        data = b"".join(lines)
        if self._is_torn:
            data = b"\n" + data
        written = os.write(self._fd, data)
        self._is_torn = not data[:written].endswith(b"\n")
        return data.count(b"\n", written)

    def _rotate_if_large(self) -> OSError | None:
        try:
            if os.fstat(self._fd).st_size >= self._max_bytes:
                self._rotate()
        except OSError as error:
            return error
        return None

    def _report(self, lost: int, error: OSError | None) -> None:
        """Print a line about lost lines, at most one per `REPORT_EVERY_S`, and one at the end."""
        if lost:
            self._lost += lost
            self._on_lost(lost)
        now_s = time.monotonic()
        if error is None:
            if self._reported_at_s is not None:
                _print(f"{self.path} is written again; {self._lost} lines were lost")
                self._lost, self._reported_at_s = 0, None
        elif self._reported_at_s is None or now_s - self._reported_at_s >= REPORT_EVERY_S:
            self._reported_at_s = now_s
            _print(
                f"{self.path} cannot be written: {error.strerror}; {self._lost} lines were lost so"
                " far. LOG_DIR selects another directory."
            )

    def _open(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _close_fd(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _is_current(self) -> bool:
        if self._fd < 0:
            return False
        try:
            current = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(current, os.fstat(self._fd))

    def _reopen_if_rotated(self) -> None:
        """Open the file if it is not open, or if another process has rotated it."""
        if not self._is_current():
            self._close_fd()
            self._fd = self._open()

    def _rotate(self) -> None:
        lock = os.open(f"{self.path}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_current():  # not rotated by another process
                for number in range(self._backups, 0, -1):
                    older = self._backup(number)
                    newer = self._backup(number - 1) if number > 1 else self.path
                    if newer.exists():
                        newer.replace(older)
            self._reopen_if_rotated()
        finally:
            os.close(lock)

    def _backup(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def _print(text: str) -> None:
    # If standard error is on the same full disk, there is no place left to say so.
    with suppress(OSError):
        sys.stderr.write(f"WARNING:  {text}\n")
        sys.stderr.flush()
