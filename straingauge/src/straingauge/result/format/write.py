"""Write result files: one JSON file per run, complete or not at all, never over another.

The format is version 1; its JSON Schemas are in `schemas/`. A new field does not need a new
version: readers ignore fields they do not know. Removing or renaming a field, or changing its
meaning, does.
"""

import errno
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError
from straingauge.redaction import without_secrets
from straingauge.result.format.json_values import as_json
from straingauge.result.format.names import file_stem
from straingauge.result.format.result import Result

SCHEMA_VERSION: Final = 1

# What file systems without hard links answer: vfat, exFAT, SMB, some overlays and sandboxes.
_NO_HARD_LINKS: Final = frozenset(
    {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
    | {errno.EMLINK, errno.EXDEV, errno.EINVAL}
)


class WriteError(UsageError):
    """A file could not be written."""


def write(result: Result, directory: Path) -> Path:
    """Write a result to ``<stem>_<YYYYMMDD_HHMMSS>.json``, by its local start time.

    The stem is the result's name as far as file names allow. If the name is taken, the next free
    second is used.

    Raises:
        WriteError: No such directory, no space, or no permission; nothing is left behind.
    """
    started = datetime.fromisoformat(result["started_at"])
    return write_json(result, directory, result["name"], started)


def require_writable(directory: Path) -> None:
    """Check that results can be written to a directory, without creating it.

    Raises:
        WriteError: It is a file, or neither it nor its nearest existing parent is writable.
    """
    existing = next(each for each in (directory, *directory.absolute().parents) if each.exists())
    if not existing.is_dir():
        reason = os.strerror(errno.ENOTDIR)
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = os.strerror(errno.EROFS if _is_read_only(existing) else errno.EACCES)
    else:
        return
    raise WriteError(
        f"results cannot be written to {directory}: {existing}: {reason}",
        hint="name another directory (--results DIR; pytest: --load-results DIR)",
    )


def _is_read_only(directory: Path) -> bool:
    return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)


def write_json(document: Mapping[str, Any], directory: Path, name: str, started: datetime) -> Path:
    """Write a document as ``<stem>_<YYYYMMDD_HHMMSS>.json``, without secrets.

    Raises:
        WriteError: As `write`.
    """
    text = json.dumps(without_secrets(as_json(document)), indent=2, allow_nan=False) + "\n"
    stem = file_stem(name)
    path = _path(directory, stem, started)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return _write_new(text, directory, stem, started)
    except OSError as error:
        raise WriteError(
            f"cannot write the result of {name} to {path}: {error.strerror or error}",
            hint="free some space, or name another directory (--results DIR; pytest: "
            "--load-results DIR)",
        ) from error


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    """Write a text file, complete or not at all; an existing one is replaced.

    Raises:
        WriteError: No space or no permission.
    """
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text("".join(lines), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise WriteError(f"cannot write {path}: {reason}", "name another folder: -o DIR") from error
    return path


def _write_new(text: str, directory: Path, stem: str, started: datetime) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=f".{stem}_", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        return _link(Path(temporary), directory, stem, started)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


def _path(directory: Path, stem: str, started: datetime) -> Path:
    return directory / f"{stem}_{started:%Y%m%d_%H%M%S}.json"


def _link(temporary: Path, directory: Path, stem: str, started: datetime) -> Path:
    """Give a file its name; unlike a rename, a hard link fails if the name is taken."""
    while True:
        path = _path(directory, stem, started)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            started += timedelta(seconds=1)
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return _rename(temporary, directory, stem, started)
        else:
            return path


def _rename(temporary: Path, directory: Path, stem: str, started: datetime) -> Path:
    """Give a file its name by a rename over an empty file that this process has created."""
    while True:
        path = _path(directory, stem, started)
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            started += timedelta(seconds=1)
            continue
        try:
            return temporary.replace(path)
        except OSError:
            path.unlink()
            raise
