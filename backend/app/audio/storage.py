"""Audio storage on disk: one file per session, named by the session id.

Files are stored atomically and durably: written to a temporary name, synced, renamed, and the
directory synced (only then is a rename durable). The job worker deletes unfinished files that a
crash leaves behind. It sets complete ones without a committed row aside, and deletes them after
`ORPHANED_AUDIO_DAYS`.
"""

import asyncio
import hashlib
import io
import itertools
import os
import stat
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TypeVar

from app.errors import Unavailable

T = TypeVar("T")

_ID = "[0-9a-f]" * 32
_BATCH_BYTES = 1024 * 1024  # large batches, because each is written and hashed in a thread


class AudioStore:
    """The recordings in `STORAGE_DIR`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._orphaned = root / "orphaned"

    def path(self, session_id: uuid.UUID) -> Path:
        """Return the path of a session's recording; the file need not exist."""
        return self._root / session_id.hex[:2] / session_id.hex

    def create_incoming(self) -> "IncomingFile":
        """Create a temporary file, deleted at the end of its `async with` unless stored."""
        return IncomingFile(self, self._incoming / uuid.uuid4().hex)

    def iter_session_ids(self, *, older_than_s: float) -> Iterator[uuid.UUID]:
        """Yield the ids of sessions whose file is older than `older_than_s` seconds."""
        for path in _older(self._root.glob(f"[0-9a-f][0-9a-f]/{_ID}"), older_than_s):
            yield uuid.UUID(path.name)

    def sample(self, count: int) -> list[uuid.UUID]:
        """Return the ids of up to `count` recordings."""
        paths = self._root.glob(f"[0-9a-f][0-9a-f]/{_ID}")
        return [uuid.UUID(path.name) for path in itertools.islice(paths, count)]

    def remove(self, session_id: uuid.UUID) -> None:
        """Delete the recording of a session."""
        self.path(session_id).unlink(missing_ok=True)

    def orphaned_ids(self) -> list[uuid.UUID]:
        """Return the ids of the recordings that were set aside."""
        return [uuid.UUID(path.name) for path in self._orphaned.glob(_ID)]

    def set_aside(self, session_ids: Collection[uuid.UUID]) -> None:
        """Move the recordings of these sessions to `orphaned/`."""
        if session_ids:
            self._orphaned.mkdir(exist_ok=True)
        for session_id in session_ids:
            path = self._orphaned / session_id.hex
            with suppress(FileNotFoundError):  # already moved by another process
                self.path(session_id).replace(path)
                os.utime(path)  # the retention counts from now

    def restore(self, session_ids: Collection[uuid.UUID]) -> None:
        """Move recordings back that were set aside."""
        for session_id in session_ids:
            target = self.path(session_id)
            target.parent.mkdir(exist_ok=True)
            with suppress(FileNotFoundError):
                (self._orphaned / session_id.hex).replace(target)

    def delete_orphaned(self, *, older_than_s: float) -> int:
        """Delete recordings that were set aside `older_than_s` seconds ago; return how many."""
        return _delete(_older(self._orphaned.glob(_ID), older_than_s))

    def delete_stale_incoming(self, *, older_than_s: float) -> int:
        """Delete temporary files left by a crash; return how many."""
        return _delete(_older(self._incoming.glob(_ID), older_than_s))


def _older(paths: Iterable[Path], age_s: float) -> Iterator[Path]:
    """Yield the regular files that were changed more than `age_s` seconds ago."""
    cutoff = time.time() - age_s
    for path in paths:
        with suppress(FileNotFoundError):  # moved by another process meanwhile
            status = path.lstat()
            if stat.S_ISREG(status.st_mode) and status.st_mtime < cutoff:
                yield path


def _delete(paths: Iterable[Path]) -> int:
    deleted = 0
    for path in paths:
        path.unlink(missing_ok=True)
        deleted += 1
    return deleted


class IncomingFile:
    """A recording that is being received. Memory use is bounded by one batch."""

    def __init__(self, store: AudioStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._file: io.FileIO | None = None
        self._hash = hashlib.sha256()
        self._batch = bytearray()
        self.size_bytes = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # No await: the task is cancelled if the client disconnects, and the file must be deleted.
        if self._file is not None:
            try:
                self._file.close()
            finally:
                self._path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """SHA-256 of the data written, in hexadecimal; complete after `store_as`."""
        return self._hash.hexdigest()

    async def write(self, data: bytes) -> None:
        """Append data.

        Raises:
            Unavailable: The file cannot be written, for example because the disk is full.
        """
        self._batch += data
        self.size_bytes += len(data)
        if len(self._batch) >= _BATCH_BYTES:
            await _in_thread(self._flush)

    async def inspect(self, read: Callable[[BinaryIO], T]) -> T:
        """Call `read` in a thread, with the data written as a file.

        Raises:
            Unavailable: The file cannot be written or read.
        """

        def open_and_read() -> T:
            self._flush()
            assert self._file is not None
            self._file.flush()
            with self._path.open("rb") as file:
                return read(file)

        return await _in_thread(open_and_read)

    async def store_as(self, session_id: uuid.UUID) -> None:
        """Store the file durably as the recording of a session.

        Raises:
            Unavailable: The file cannot be written, for example because the disk is full.
        """
        target = self._store.path(session_id)
        await _in_thread(lambda: self._move_to(target))

    def _flush(self) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _create(self._path)
        rest = memoryview(self._batch)
        while rest:  # an almost full disk takes a part
            rest = rest[self._file.write(rest) :]
        rest.release()
        self._hash.update(self._batch)
        self._batch.clear()

    def _move_to(self, target: Path) -> None:
        self._flush()
        assert self._file is not None
        os.fsync(self._file.fileno())
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _fsync_directory(target.parent.parent)
        self._path.replace(target)
        _fsync_directory(target.parent)


async def _in_thread(function: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(function)
    except OSError as error:
        raise storage_unavailable() from error


def storage_unavailable() -> Unavailable:
    """Create the error for a recording that cannot be stored at the moment."""
    return Unavailable(
        "The recording cannot be stored at the moment.",
        code="storage_unavailable",
        retry_after_s=60,
    )


def _create(path: Path) -> io.FileIO:
    """Create a file without a buffer, so that closing it cannot fail for lack of space."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0)


def _fsync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
