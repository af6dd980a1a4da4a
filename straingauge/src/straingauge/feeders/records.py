"""The records of a data file: an index of where each begins, and the file to read them from.

All records are read once, when the feeder is made, so that a load never ends because of a bad line.
Afterwards a record takes 8 bytes of memory, and is read again when it is used.
"""

import gzip
import os
import sys
import tempfile
import threading
import weakref
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, Protocol

from straingauge.errors import UsageError

MAX_BYTES: Final = 8 * 1024**3  # decompressed; a file of 10 MB can hold more than any disk
_BLOCK_BYTES: Final = 128 * 1024
_OTHER_ENCODINGS: Final = {  # by the byte order mark, the longest first
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_SAVE: Final = "save the file with the encoding UTF-8"


class DataError(UsageError):
    """A data file cannot be used; the message has file and line."""

    def __init__(self, path: Path, line: int | None, problem: str, hint: str | None = None) -> None:
        place = f"{path}, line {line}" if line else f"{path}"
        super().__init__(f"{place}: {problem}", hint)


class RecordFormat(Protocol):
    """Reads one format.

    Attributes:
        delimiter: Delimiter of a CSV file; None for other formats.
    """

    delimiter: str | None

    def scan(self, source: "Lines") -> Iterator[int]:
        """Check all records, and yield the offset at which each begins; raises DataError."""

    def parse(self, text: str) -> dict[str, Any]:
        """Return a record from its text, which `scan` has checked; raises ValueError."""


class Lines:
    """The lines of a file as text, with the offset of the next one.

    Attributes:
        path: The file, for messages.
        number: Number of the last line, from 1.
        offset: Where the next line begins, in bytes.
    """

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path = path
        self.number = 0
        self.offset = 0
        self._stream = stream

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._stream.readline()
        if not line:
            raise StopIteration
        self.number += 1
        self.offset += len(line)
        if self.number == 1:
            for mark, encoding in _OTHER_ENCODINGS.items():
                if line.startswith(mark):
                    raise DataError(self.path, 1, f"not UTF-8: {encoding}", _SAVE)
            line = line.removeprefix(_BYTE_ORDER_MARK)
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            found = f"byte {line[error.start]:#04x}"
            raise DataError(self.path, self.number, f"not UTF-8: {found}", _SAVE) from error
        if "\0" in text:
            raise DataError(self.path, self.number, "it has a NUL character", _SAVE)
        return text


@dataclass(slots=True, eq=False, weakref_slot=True)
class Records:
    """The records of a file, by number.

    Attributes:
        path: The file.
        format: Its format.
    """

    path: Path
    format: RecordFormat
    _stream: IO[bytes]
    _offsets: "array[int]"
    _end: int
    _written: tuple[int, int]
    _lock: threading.Lock

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Return a record; raises UsageError if the file was changed, by its size or its time."""
        begin = self._offsets[number]
        end = self._offsets[number + 1] if number + 1 < len(self._offsets) else self._end
        if _written(self._stream) != self._written:
            raise self._changed("it was written to")
        try:
            return self.format.parse(self._read(begin, end - begin).decode())
        except (OSError, ValueError) as error:
            raise self._changed(str(error)) from error

    def _changed(self, how: str) -> UsageError:
        return UsageError(
            f"{self.path} was changed while it was used: {how}",
            "write to another file, and rename it to this one for the next load",
        )

    def _read(self, begin: int, size: int) -> bytes:
        if sys.platform != "win32":  # processes that were forked share the position
            return os.pread(self._stream.fileno(), size, begin)
        with self._lock:
            self._stream.seek(begin)
            return self._stream.read(size)


def open_records(
    path: Path, record_format: RecordFormat, *, lines_of: Callable[[Path, IO[bytes]], IO[bytes]]
) -> Records:
    """Open a file, and check all of its records.

    Args:
        path: The file; decompressed to a temporary one if its name ends in ".gz".
        record_format: Its format.
        lines_of: Returns a stream with one record in a line, or the stream itself.

    Raises:
        DataError: It cannot be read, or one of its records cannot.
    """
    try:
        stream: IO[bytes] = path.open("rb")
    except OSError as error:
        raise DataError(
            path, None, f"cannot be read: {error.strerror}", "name a file next to the journeys"
        ) from error
    with ExitStack() as stack:
        stack.callback(stream.close)
        if path.suffix == ".gz":
            unpacked = stack.enter_context(tempfile.TemporaryFile())
            _decompress(path, stream, unpacked)
            stream = unpacked
        source = lines_of(path, stream)
        stack.callback(source.close)
        source.seek(0)
        written = _written(source)
        lines = Lines(path, source)
        offsets = array("Q", record_format.scan(lines))
        if not offsets:
            empty = "it has no rows" if lines.number else "it is empty"
            raise DataError(path, None, empty, "a feeder needs at least one row")
        records = Records(
            path, record_format, source, offsets, lines.offset, written, threading.Lock()
        )
        weakref.finalize(records, stack.pop_all().close)
    return records


def _written(stream: IO[bytes]) -> tuple[int, int]:
    """Return the size of an open file, and when it was written to."""
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns


def _decompress(path: Path, stream: IO[bytes], target: IO[bytes]) -> None:
    """Decompress into a temporary file, since records are read in any order."""
    size = 0
    try:
        with gzip.open(stream) as source:
            while block := source.read(_BLOCK_BYTES):
                size += len(block)
                if size > MAX_BYTES:
                    raise DataError(path, None, f"more than {MAX_BYTES} bytes when decompressed")
                target.write(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(path, None, f"not a complete gzip file: {error}") from error
    target.seek(0)
