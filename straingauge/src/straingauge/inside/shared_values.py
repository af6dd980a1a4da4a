"""Counters and gauges of a process, in a file that the service's other worker processes can read.

Whichever worker answers a request for /metrics, it reports all of them. The workers of a service
have the same parent process and the same port. Their files are in a directory of the user for
temporary files, one per process, locked while the process lives. Counters of processes that have
ended still count, so that a counter never decreases.
"""

import hashlib
import os
import shutil
import socket
import tempfile
import weakref
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from mmap import mmap
from pathlib import Path
from typing import NamedTuple

try:
    import fcntl
except ImportError:  # pragma: no cover  Windows: each worker reports itself only
    fcntl = None  # type: ignore[assignment]


class Value(IntEnum):
    """The place of each value in a file; the gauges first."""

    POOL_SIZE = 0
    POOL_IN_USE = 1
    POOL_OVERFLOW = 2
    POOL_WAITERS = 3
    LOOP_LONGEST_S = 4
    POOL_WAITS = 5
    POOL_WAIT_S = 6
    POOL_TIMEOUTS = 7
    LOOP_BLOCKS = 8
    LOOP_BLOCKED_S = 9


_BYTES = 8 * len(Value)


class ProcessValues(NamedTuple):
    """Values of one process, by `Value`."""

    pid: int
    is_alive: bool
    values: "array[float]"


class Values:
    """The values of this process, and those of the service's other processes.

    Attributes:
        own: Values of this process, by `Value`; they may be changed.
        has_joined: `join` was called in this process.
        unavailable: Why they are not shared with other processes; None if they are.
    """

    def __init__(self) -> None:
        self._close: weakref.finalize[[int], Values] | None = None
        self.begin()

    def begin(self) -> None:
        """Begin a process, with zeros that are shared with no other."""
        self.own: memoryview[float] = memoryview(bytearray(_BYTES)).cast("d")
        self.unavailable: str | None = "no request has been served"
        self._folder: Path | None = None
        self.has_joined = False
        # A child that kept it would hold the lock of its parent's file.
        if self._close is not None:
            self._close()
        self._close = None

    def join(self, port: object) -> None:
        """Share the values with the processes that have the same parent and port."""
        try:
            self._share(port)
            self.unavailable = None
        except (
            OSError,
            ValueError,
        ) as error:  # such as a full disk: it costs these values, never the service
            self.unavailable = f"they cannot be shared with other workers: {error}"
        self.has_joined = True

    def _share(self, port: object) -> None:
        if fcntl is None:  # pragma: no cover
            raise OSError("this system has no file locks")
        base = _own_directory()
        group = f"{socket.gethostname()} {os.getppid()} {port}"
        folder = base / hashlib.sha256(group.encode()).hexdigest()[:16]
        with _locked(base / "lock"):
            for each in base.iterdir():
                if each.is_dir() and not any(map(_is_locked, each.iterdir())):
                    shutil.rmtree(each)  # its processes have ended
            folder.mkdir(mode=0o700, exist_ok=True)
            # Always a new file, never a shorter or a longer one: access to a page that its file
            # lacks, or that a full disk cannot store, would end the process.
            file, _ = tempfile.mkstemp(dir=folder, prefix=f"{os.getpid()}-")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(file, self.own.tobytes())
            self.own = memoryview(mmap(file, _BYTES)).cast("d")
        self._folder, self._close = folder, weakref.finalize(self, os.close, file)

    def all(self) -> list[ProcessValues]:
        """Return the values of all processes of the service."""
        if self._folder is not None:
            try:
                return [
                    ProcessValues(
                        int(path.name.partition("-")[0]), _is_locked(path), array("d", content)
                    )
                    for path in sorted(self._folder.iterdir())
                    if len(content := path.read_bytes()) == _BYTES
                ]
            except OSError as error:  # such as a directory that was tidied up
                self.unavailable = f"those of other workers cannot be read: {error}"
        return [ProcessValues(os.getpid(), is_alive=True, values=array("d", self.own))]


def _own_directory() -> Path:
    """Create the directory of this user; raise OSError if another user could write to it."""
    path = Path(tempfile.gettempdir()) / f"straingauge-inside-{os.getuid()}"
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o170077 != 0o040000:
        raise OSError(f"{path} must be a directory that only this user can use")
    return path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _is_locked(path: Path) -> bool:
    file = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False
