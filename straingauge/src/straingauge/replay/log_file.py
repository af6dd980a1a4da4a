"""The lines of a log file, which may be compressed, and may grow."""

import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from straingauge.errors import UsageError

MAX_LINE_BYTES: Final = 65_536  # nginx and Apache accept request lines of 8 kB
_GZIP: Final = b"\x1f\x8b"


def log_size(path: Path) -> int:
    """Return the size of a log in bytes.

    Raises:
        UsageError: It is no file that can be read more than once, or it is empty.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a file", hint="name an access log, such as access.log")
    if not found.st_size:
        raise UsageError(f"{path} is empty", hint="name an access log with requests")
    return found.st_size


def read_lines(path: Path, size_bytes: int) -> Iterator[str]:
    """Yield the lines of a log up to a size, stripped.

    Bytes that are not UTF-8 are kept as surrogates. Of a line that is too long, only the beginning
    is returned.

    Args:
        path: The log, perhaps compressed by gzip.
        size_bytes: Its size; each process reads as far, though a service may write on.

    Raises:
        UsageError: It cannot be read, its compressed data are damaged, or it has become shorter.
    """
    number = 0
    try:
        with path.open("rb") as raw:
            is_compressed = raw.read(len(_GZIP)) == _GZIP
            raw.seek(0)
            if is_compressed:
                with gzip.open(raw) as file:
                    for line in _whole_lines(file):
                        number += 1
                        yield _text(line)
                return
            for line in _whole_lines(raw, size_bytes):
                yield _text(line)
            missing = size_bytes - raw.tell()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UsageError(
            f"{path}: the compressed data are damaged or cut after line {number}: {error}",
            hint="uncompress the file with gunzip, and name that one",
        ) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    if missing > 0:
        raise UsageError(
            f"{path} became shorter while it was read", hint="replay a copy of the log"
        )


def _whole_lines(file: IO[bytes] | gzip.GzipFile, size_bytes: int | None = None) -> Iterator[bytes]:
    """Yield lines up to a size, each cut at `MAX_LINE_BYTES`."""
    left = size_bytes
    is_rest = False
    while line := file.readline(MAX_LINE_BYTES):
        if left is not None:
            line, left = line[:left], left - len(line)
        if not is_rest:
            yield line
        is_rest = not line.endswith(b"\n")
        if left is not None and left <= 0:
            return


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape").strip()
