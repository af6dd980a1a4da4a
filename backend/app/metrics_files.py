"""Values of this process's metrics, and the files that share them with the service's processes.

prometheus-client maps such files into memory, and the kernel ends a process with SIGBUS if a page
of a mapped file cannot be stored: on a full disk, on a copy-on-write file system or after an I/O
error. Here values live in memory and are written with `pwrite` shortly after a change, so that the
same error is an exception: the metrics are lost until a later write succeeds, never the service.

The layout of a file is that of `prometheus_client.mmap_dict`, which reads it: an int32 with the
number of bytes in use and four bytes of padding, then entries of an int32 (length of the key), the
key padded to a multiple of eight bytes, and two doubles (value and timestamp).
"""

import asyncio
import errno
import logging
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from app.shared_directory import SharedDirectory

logger = logging.getLogger(__name__)

FLUSH_AFTER_S = 0.05  # as long as a scrape may lag behind; one write for many requests
RETRY_AFTER_S = 10.0
_HEADER_BYTES = 8
_int32 = struct.Struct("i")
_value = struct.Struct("dd")


class _Image:
    """Content of one file."""

    def __init__(self) -> None:
        self.data = bytearray(_int32.pack(_HEADER_BYTES) + bytes(4))
        self.changed = True
        self._positions: dict[str, int] = {}

    def position(self, key: str) -> int:
        """Return the position of a value, which is added as 0 if it does not exist."""
        position = self._positions.get(key)
        if position is None:
            text = key.encode()
            padding = b" " * (8 - (len(text) + 4) % 8)
            self.data += _int32.pack(len(text)) + text + padding + bytes(_value.size)
            position = self._positions[key] = len(self.data) - _value.size
            _int32.pack_into(self.data, 0, len(self.data))
            self.changed = True
        return position

    def get(self, position: int) -> float:
        value: float = _value.unpack_from(self.data, position)[0]
        return value

    def set(self, position: int, value: float, timestamp: float = 0.0) -> None:
        _value.pack_into(self.data, position, value, timestamp)
        self.changed = True


class MetricsFiles:
    """The files of this process, one for each kind of metric (`counter`, `gauge_livesum`, ...)."""

    def __init__(self) -> None:
        self.directory: Path | None = None
        self.error: OSError | None = None
        self._name = ""
        self._images: dict[str, _Image] = {}
        self._fds: dict[str, int] = {}
        self._shared: SharedDirectory | None = None
        self._users = 0
        self._loaded = False
        self._retry_at_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.lock = threading.Lock()

    @contextmanager
    def open_in(self, directory: Path, *, name: str = "") -> Iterator[None]:
        """Write the metrics to files in a directory while the context is active.

        Counters continue from files that an earlier process of this name has left. In a nested
        context, the outer directory remains in use.

        Args:
            directory: Directory of the service, created if it does not exist.
            name: Name of this process in the names of the files; the process id if empty.
        """
        self._users += 1
        try:
            if self._users == 1:
                self.directory, self._name = directory, name or str(os.getpid())
                self._shared = SharedDirectory(directory)
                self._retry_at_s, self._loaded = 0.0, False
                self.flush()
            yield
        finally:
            self._users -= 1
            if self._users == 0:
                self.flush()
                self._close()

    @property
    def is_writable(self) -> bool:
        """False while the files cannot be written."""
        return self.error is None

    def value(self, kind: str, key: str) -> tuple[_Image, int]:
        """Return the image and position of a value, which is added if it does not exist."""
        with self.lock:
            image = self._images.setdefault(kind, _Image())
            return image, image.position(key)

    def schedule(self) -> None:
        """Write all changes within `FLUSH_AFTER_S`; at once if this thread has no event loop."""
        if self._timer is not None or self.directory is None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
        else:
            self._timer = loop.call_later(FLUSH_AFTER_S, self.flush)

    def flush(self) -> None:
        """Write all changed files; after an error do nothing for `RETRY_AFTER_S`."""
        self._timer = None
        if self.directory is None or time.monotonic() < self._retry_at_s:
            return
        try:
            if not self._fds:
                self._join()
            with self.lock:
                for kind, image in self._images.items():
                    if image.changed or kind not in self._fds:
                        self._write(kind, image)
                        image.changed = False
        except OSError as error:
            self._close_files()
            self._retry_at_s = time.monotonic() + RETRY_AFTER_S
            self._report(error)
        else:
            self._report(None)

    def _report(self, error: OSError | None) -> None:
        """Log the first of several errors, and their end."""
        previous, self.error = self.error, error
        if error is not None and previous is None:
            logger.error(
                "metrics cannot be written to %s: %s. They are lost until it can be written;"
                " METRICS_DIR selects another directory.",
                self.directory,
                error.strerror,
            )
        elif previous is not None and error is None:
            logger.warning("metrics are written to %s again", self.directory)

    def _join(self) -> None:
        assert self._shared is not None
        self._shared.join()
        if not self._loaded:
            self._load()
            self._loaded = True

    def _load(self) -> None:
        """Continue the counters of an earlier process of the same name."""
        assert self.directory is not None
        suffix = f"_{self._name}.db"
        for path in self.directory.glob(f"*{suffix}"):
            kind = path.name.removesuffix(suffix)
            if kind.startswith("gauge_live"):
                continue
            for key, value, _time, _position in _read(path):
                image, position = self.value(kind, key)
                current = image.get(position)
                image.set(position, max(current, value) if kind == "gauge_max" else current + value)

    def _write(self, kind: str, image: _Image) -> None:
        fd = self._fds.get(kind)
        if fd is None:
            self._fds[kind] = self._create(kind, image)
            return
        if os.fstat(fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "a file of metrics was deleted")
        _pwrite(fd, image.data[_HEADER_BYTES:], _HEADER_BYTES)
        _pwrite(fd, image.data[:_HEADER_BYTES], 0)  # last: a reader never sees unwritten entries

    def _create(self, kind: str, image: _Image) -> int:
        """Create a file, which gets its name when it is complete."""
        assert self.directory is not None
        path = self.directory / f"{kind}_{self._name}.db"
        temporary = path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fd = os.open(temporary, flags, 0o600)
        try:
            _pwrite(fd, image.data, 0)
            temporary.replace(path)
        except OSError:
            os.close(fd)
            temporary.unlink(missing_ok=True)
            raise
        return fd

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._close_files()
        if self._shared is not None:
            self._shared.leave()
        self.directory = self.error = self._shared = None

    def _close_files(self) -> None:
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()


def _pwrite(fd: int, data: bytes | bytearray, position: int) -> None:
    if os.pwrite(fd, data, position) < len(data):
        raise OSError(errno.ENOSPC, "the disk is full")


def _read(path: Path) -> list[tuple[str, float, float, int]]:
    try:
        return list(MmapedDict.read_all_values_from_file(path))  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, struct.error):
        logger.warning("%s is damaged; its metrics start at 0", path)
        return []


FILES = MetricsFiles()


class SharedValue:
    """A number of a metric: the value class that prometheus-client's metrics use."""

    _multiprocess = True

    def __init__(  # noqa: PLR0917 -- the signature that prometheus-client calls
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: tuple[str, ...],
        labelvalues: tuple[str, ...],
        help_text: str,
        multiprocess_mode: str = "",
        **_kwargs: object,
    ) -> None:
        kind = f"{typ}_{multiprocess_mode}" if typ == "gauge" else typ
        key = mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        self._image, self._position = FILES.value(kind, key)

    def inc(self, amount: float) -> None:
        """Add to the value."""
        image, position = self._image, self._position
        with FILES.lock:
            image.set(position, image.get(position) + amount)
        FILES.schedule()

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value."""
        with FILES.lock:
            self._image.set(self._position, value, timestamp or 0.0)
        FILES.schedule()

    def get(self) -> float:
        """Return the value."""
        return self._image.get(self._position)

    def set_exemplar(self, exemplar: object) -> None:
        """Ignore an exemplar: the files cannot hold any."""

    def get_exemplar(self) -> None:
        """Return None."""
