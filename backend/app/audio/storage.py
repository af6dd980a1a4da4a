"""Audio storage on disk: one file per session, named by the session id.

Files are stored atomically and durably: written to a temporary name, synced, renamed, and the
directory synced (only then is a rename durable). Files that a crash leaves behind, unfinished or
without a committed row, are deleted by the job worker.
"""

import asyncio
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from app.errors import Unavailable

_BATCH_BYTES = 1024 * 1024  # large batches, because each is written and hashed in a thread


class AudioStore:
    """The recordings in `STORAGE_DIR`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    def path(self, session_id: uuid.UUID) -> Path:
        """Return the path of a session's recording; the file need not exist."""
        return self._root / session_id.hex[:2] / session_id.hex

    def create_incoming(self) -> "IncomingFile":
        """Create a temporary file, deleted at the end of its `async with` unless stored."""
        return IncomingFile(self, self._incoming / uuid.uuid4().hex)

    def iter_session_ids(self, *, older_than_s: float) -> Iterator[uuid.UUID]:
        """Yield the ids of sessions whose file is older than `older_than_s` seconds."""
        cutoff = time.time() - older_than_s
        for path in self._root.glob("[0-9a-f][0-9a-f]/" + "[0-9a-f]" * 32):
            if path.stat().st_mtime < cutoff:
                yield uuid.UUID(path.name)

    def remove(self, session_ids: Collection[uuid.UUID]) -> None:
        """Delete the recordings of these sessions."""
        for session_id in session_ids:
            self.path(session_id).unlink(missing_ok=True)

    def delete_stale_incoming(self, *, older_than_s: float) -> int:
        """Delete temporary files left by a crash; return how many."""
        cutoff = time.time() - older_than_s
        stale = [path for path in self._incoming.glob("*") if path.stat().st_mtime < cutoff]
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)


class IncomingFile:
    """A recording that is being received. Memory use is bounded by one batch."""

    def __init__(self, store: AudioStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._file: BinaryIO | None = None
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
            self._file.close()
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
        self._file.write(self._batch)
        self._hash.update(self._batch)
        self._batch.clear()

    def _move_to(self, target: Path) -> None:
        self._flush()
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _fsync_directory(target.parent.parent)
        self._path.replace(target)
        _fsync_directory(target.parent)


async def _in_thread(function: Callable[[], None]) -> None:
    try:
        await asyncio.to_thread(function)
    except OSError as error:
        raise Unavailable(
            "The recording cannot be stored at the moment.",
            code="storage_unavailable",
            retry_after_s=60,
        ) from error


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _fsync_directory(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
