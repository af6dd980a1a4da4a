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


_RESULTS_OPTION: Final = "--results DIR (pytest and Locust: --load-results DIR)"
# Advice by the reason why a file cannot be written.
_FREE_SPACE: Final = "free some space, or "
_ADVICE: Final[Mapping[int, str]] = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EACCES: "give yourself the permission to write there (ls -ld), or ",
    errno.EPERM: "give yourself the permission to write there (ls -ld), or ",
    errno.EROFS: "mount the file system for writing, or ",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), or ",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or ",
}


class WriteError(UsageError):
    """A file could not be written where it was wanted."""


def write(result: Result, directory: Path) -> Path:
    """Write a result to ``<stem>_<YYYYMMDD_HHMMSS>.json``, by its local start time.

    The stem is the result's name as far as file names allow. If the name is taken, the next free
    second is used.

    Raises:
        WriteError: No such directory, no space, or no permission; nothing is left behind there.
            It names the file that was written elsewhere instead, as `write_json` does.
    """
    started = datetime.fromisoformat(result["started_at"])
    return write_json(result, directory, result["name"], started)


def require_writable(directory: Path, *, option: str = _RESULTS_OPTION) -> None:
    """Check that files can be written to a directory, without creating it.

    Args:
        directory: The directory.
        option: The option by which it is named, for the advice.

    Raises:
        WriteError: It is a file, or nothing can be created in it or in its nearest existing parent.
    """
    place = directory
    try:
        place = next(
            each for each in (directory.absolute(), *directory.absolute().parents) if each.exists()
        )
        with tempfile.TemporaryDirectory(dir=place, prefix=".straingauge_") as trial:
            (Path(trial) / "trial").write_bytes(b"\0" * 4096)
            # Where it does not exist yet, its own name may be too long or not allowed.
            (Path(trial) / directory.absolute().relative_to(place)).mkdir(
                parents=True, exist_ok=True
            )
    except OSError as error:
        within = "" if place == directory.absolute() else f" (in {place})"
        raise _write_error(f"cannot write to {directory}{within}", error, option) from error


def _write_error(
    message: str, error: OSError, option: str, elsewhere: Path | None = None
) -> WriteError:
    """Return the error for a file that cannot be written, with advice for its reason."""
    advice = _ADVICE.get(error.errno or 0, "")
    written = f"; it was written to {elsewhere} instead" if elsewhere is not None else ""
    return WriteError(
        f"{message}: {error.strerror or error}{written}",
        hint=f"{advice}name another directory: {option}",
    )


def json_text(document: object) -> str:
    """Return a document as JSON, without secrets."""
    return json.dumps(without_secrets(as_json(document)), indent=2, allow_nan=False) + "\n"


def write_json(document: Mapping[str, Any], directory: Path, name: str, started: datetime) -> Path:
    """Write a document as ``<stem>_<YYYYMMDD_HHMMSS>.json``, without secrets.

    What was measured cannot be measured again, so if the directory refuses the file, it is written
    to a new folder of the system's directory for temporary files, which the error names.

    Raises:
        WriteError: As `write`.
    """
    text = json_text(document)
    stem = file_stem(name)
    path = _path(directory, stem, started)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return _write_new(text, directory, stem, started)
    except OSError as error:
        message = f"cannot write the result of {name} to {path}"
        elsewhere = _write_elsewhere(text, stem, started)
        raise _write_error(message, error, _RESULTS_OPTION, elsewhere) from error


def write_lines(path: Path, lines: Iterable[str], *, option: str = "-o") -> Path:
    """Write a text file, complete or not at all; an existing one is replaced.

    Args:
        path: The file.
        lines: Its lines, each with its end.
        option: The option by which it is named, for the advice.

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
        raise _write_error(f"cannot write {path}", error, option) from error
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


def _write_elsewhere(text: str, stem: str, started: datetime) -> Path | None:
    """Write a result to a new temporary folder; None if that is not possible either."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="straingauge_results_"))
    except OSError:
        return None
    try:
        return _write_new(text, folder, stem, started)
    except OSError:
        folder.rmdir()
        return None


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
