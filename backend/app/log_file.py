"""Log file shared by several processes, rotated by size.

Lines are buffered for 0.2 s and appended with a single `write`, so lines of different processes are
never interleaved. Rotation holds a lock file; the other processes reopen the log file before their
next write. No line is split or lost by a rotation.
"""

import asyncio
import fcntl
import os
import threading
from pathlib import Path

_FLUSH_AFTER_S = 0.2
_FLUSH_AT_BYTES = 64 * 1024


class LogFile:
    """Buffered writer for the shared log file."""

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._max_bytes = max_bytes
        self._backups = backups
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._fd = self._open()

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
        """Write the buffered lines."""
        with self._lock:
            self._timer = None
            if not self._lines:
                return
            lines, self._lines, self._size_bytes = self._lines, [], 0
            self._reopen_if_rotated()
            os.write(self._fd, b"".join(lines))
            if os.fstat(self._fd).st_size >= self._max_bytes:
                self._rotate()

    def close(self) -> None:
        """Write the buffered lines and close the file. Can be called more than once."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _is_current(self) -> bool:
        try:
            current = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(current, os.fstat(self._fd))

    def _reopen_if_rotated(self) -> None:
        """Reopen the file if another process has rotated it."""
        if not self._is_current():
            os.close(self._fd)
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
