"""The file `app.log`: JSON lines from several processes at once, rotated by size.

Lines are gathered for a fifth of a second and written by one `write` to a file opened for
appending, which puts whole lines one after the other whoever else writes. Rotation happens under a
lock of its own; a process that finds the name belongs to a new file opens that one. So nothing is
torn or lost when another process rotates: what was written to the old file is in the old file.
"""

import asyncio
import fcntl
import os
import threading
from pathlib import Path

_FLUSH_AFTER_S = 0.2
_FLUSH_AT_BYTES = 64 * 1024


class LogFile:
    """One process's hold on the file."""

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

    def write(self, line: bytes, *, at_once: bool = False) -> None:
        """Take a line, which must end in a newline.

        It is in the file a fifth of a second later at most; at once when asked, and when no event
        loop runs in this thread to do it later.
        """
        with self._lock:
            self._lines.append(line)
            self._size_bytes += len(line)
            due = at_once or self._size_bytes >= _FLUSH_AT_BYTES
        if due:
            self.flush()
        elif self._timer is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._timer = loop.call_later(_FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        with self._lock:
            self._timer = None
            if not self._lines:
                return
            lines, self._lines, self._size_bytes = self._lines, [], 0
            self._follow()
            os.write(self._fd, b"".join(lines))
            if os.fstat(self._fd).st_size >= self._max_bytes:
                self._rotate()

    def close(self) -> None:
        """Write what was gathered, and let go of the file; more than once does no harm."""
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
            named = self.path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._fd))

    def _follow(self) -> None:
        """Open the file that has the name now, if another process rotated ours away."""
        if not self._is_current():
            os.close(self._fd)
            self._fd = self._open()

    def _rotate(self) -> None:
        lock = os.open(f"{self.path}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_current():  # else another process was first
                for number in range(self._backups, 0, -1):
                    older = self._backup(number)
                    newer = self._backup(number - 1) if number > 1 else self.path
                    if newer.exists():
                        newer.replace(older)
            self._follow()
        finally:
            os.close(lock)

    def _backup(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
