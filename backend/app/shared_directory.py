"""A directory that the processes of one service share, and that the last of them removes.

Each process holds a shared lock on a file in the directory, so a directory is in use exactly while
its lock is held: also if a process was killed, and also across containers with a common volume,
whose process ids mean nothing to each other.
"""

import errno
import fcntl
import hashlib
import multiprocessing
import os
import platform
from contextlib import suppress
from pathlib import Path

import psutil

PREFIX = "therapybridge-"
_LOCK = "lock"
_ATTEMPTS = 10  # to join a directory that other processes are removing


def service_directory(parent: Path) -> Path:
    """Return the directory of this service in `parent`, named after its main process."""
    is_worker = multiprocessing.parent_process() is not None
    main = psutil.Process(os.getppid() if is_worker else os.getpid())
    identity = f"{platform.node()} {os.getuid()} {main.pid} {main.create_time()}"
    return parent / f"{PREFIX}{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


class SharedDirectory:
    """The membership of this process in a shared directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_fd = -1

    def join(self) -> None:
        """Create the directory if necessary, and lock it; remove directories no longer in use.

        Raises:
            OSError: The directory cannot be created, or belongs to another user.
        """
        if self._holds_lock():
            return
        self._release()
        for _ in range(_ATTEMPTS):
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._path.lstat()
            if status.st_uid != os.getuid() or self._path.is_symlink():
                raise PermissionError(errno.EPERM, "belongs to another user", str(self._path))
            with suppress(FileNotFoundError):  # removed by the last process of another service
                self._lock_fd = _open_lock(self._path)
                fcntl.flock(self._lock_fd, fcntl.LOCK_SH)
            if self._holds_lock():
                break
            self._release()
        else:
            raise FileNotFoundError(errno.ENOENT, "is being removed", str(self._path))
        _remove_unused(self._path.parent)

    def leave(self) -> None:
        """Give up the lock; remove the directory if no other process uses it."""
        self._release()
        _remove_if_unused(self._path)

    def _holds_lock(self) -> bool:
        if self._lock_fd < 0:
            return False
        try:
            return os.path.samestat(os.fstat(self._lock_fd), (self._path / _LOCK).stat())
        except OSError:
            return False

    def _release(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def _open_lock(directory: Path, *, create: bool = True) -> int:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    return os.open(directory / _LOCK, flags, 0o600)


def _remove_unused(parent: Path) -> None:
    """Remove the directories of services that were killed; everything else is left alone."""
    for directory in parent.glob(f"{PREFIX}{'[0-9a-f]' * 16}"):
        _remove_if_unused(directory)


def _remove_if_unused(directory: Path) -> None:
    """Remove a directory of this user whose lock is free, if it has nothing unexpected."""
    # Housekeeping: a directory that cannot be examined or removed is left for the next service.
    with suppress(OSError):
        if directory.is_symlink() or directory.stat().st_uid != os.getuid():
            return
        fd = _open_lock(directory, create=False)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for path in directory.iterdir():
                if path.suffix in {".db", ".new"}:
                    path.unlink()
            if [path.name for path in directory.iterdir()] == [_LOCK]:
                (directory / _LOCK).unlink()
                directory.rmdir()
        finally:
            os.close(fd)
