"""Where recordings are kept: one file for each session, named by its id.

A file appears under its name whole and durable, or not at all: it is written beside, synced, moved,
and the folder synced (a rename is durable only then). Whatever a crash leaves behind, an unfinished
file or one whose row was never committed, is swept up by the job worker.
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

_BATCH_BYTES = 1024 * 1024  # written and hashed in a thread, in batches worth the trip


class AudioStore:
    """The folder `STORAGE_DIR`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"

    def path(self, session_id: uuid.UUID) -> Path:
        """Where the recording of a session is, if it has one."""
        return self._root / session_id.hex[:2] / session_id.hex

    def receive(self) -> "IncomingFile":
        """A new file to write to, gone at the end of its `async with` unless kept."""
        return IncomingFile(self, self._incoming / uuid.uuid4().hex)

    def stored(self, *, older_than_s: float) -> Iterator[uuid.UUID]:
        """The sessions that have a file of at least this age."""
        before = time.time() - older_than_s
        for path in self._root.glob("[0-9a-f][0-9a-f]/" + "[0-9a-f]" * 32):
            if path.stat().st_mtime < before:
                yield uuid.UUID(path.name)

    def remove(self, session_ids: Collection[uuid.UUID]) -> None:
        """Delete the files of sessions that do not exist."""
        for session_id in session_ids:
            self.path(session_id).unlink(missing_ok=True)

    def sweep_incoming(self, *, older_than_s: float) -> int:
        """Delete what interrupted uploads of a crashed service left; return how many."""
        before = time.time() - older_than_s
        left = [path for path in self._incoming.glob("*") if path.stat().st_mtime < before]
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)


class IncomingFile:
    """A recording on its way in. Memory stays at one batch, however long it is."""

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
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # No await: when the client has hung up this task is cancelled, and the file must still go.
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """Of everything written; complete once kept."""
        return self._hash.hexdigest()

    async def write(self, data: bytes) -> None:
        """Add to the file.

        Raises:
            Unavailable: The disk is full or broken.
        """
        self._batch += data
        self.size_bytes += len(data)
        if len(self._batch) >= _BATCH_BYTES:
            await _in_thread(self._flush)

    async def keep(self, session_id: uuid.UUID) -> None:
        """Make the file durable as the recording of this session.

        Raises:
            Unavailable: The disk is full or broken.
        """
        target = self._store.path(session_id)
        await _in_thread(lambda: self._keep(target))

    def _flush(self) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _create(self._path)
        self._file.write(self._batch)
        self._hash.update(self._batch)
        self._batch.clear()

    def _keep(self, target: Path) -> None:
        self._flush()
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        if not target.parent.exists():
            target.parent.mkdir(exist_ok=True)
            _sync_folder(target.parent.parent)
        self._path.replace(target)
        _sync_folder(target.parent)


async def _in_thread(work: Callable[[], None]) -> None:
    try:
        await asyncio.to_thread(work)
    except OSError as error:
        raise Unavailable(
            "The recording cannot be stored now.", code="storage_unavailable", retry_after_s=60
        ) from error


def _create(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
