"""Write result files: one JSON file per run, complete or not at all, never over another.

The format is version 1; its JSON Schemas are in `schemas/`. A new field does not need a new
version: readers ignore fields they do not know. Removing or renaming a field, or changing its
meaning, does.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from straingauge.errors import UsageError

SCHEMA_VERSION: Final = 1

# Journeys may put what a service answered into an error's text; a result file is passed on.
_SECRETS = re.compile(
    r"""eyJ[\w-]{8,}\.[\w-]+\.[\w-]*            # a JSON web token
    | (?<=Bearer[ ])\S+
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)            # user:password in an address
    | (?<=["']password["']:)\s*"[^"]*"
    | (?:(?<=_token["']:)|(?<=["']token["']:)|(?<=secret["']:))\s*"[^"]*"
    """,
    re.VERBOSE | re.IGNORECASE,
)
HIDDEN = "[hidden]"


class NotWritten(UsageError):
    """The result file could not be written."""


def write(result: Mapping[str, Any], directory: Path) -> Path:
    """Write a result to ``<name>_<YYYYMMDD_HHMMSS>.json``, by its local start time.

    Two runs of one name in one second: the later file takes the next free second.

    Raises:
        NotWritten: No such directory, no space, no right; nothing is left behind.
    """
    document = {"schema_version": SCHEMA_VERSION, **result}
    started = datetime.fromisoformat(result["started_at"])
    return write_whole(document, directory, result["name"], started)


def write_whole(document: Mapping[str, Any], directory: Path, name: str, started: datetime) -> Path:
    """Write any document as ``<name>_<YYYYMMDD_HHMMSS>.json``, without secrets.

    Raises:
        NotWritten: As `write`.
    """
    text = json.dumps(without_secrets(document), indent=2, allow_nan=False) + "\n"
    path = _path(directory, name, started)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return _write_new(text, directory, name, started)
    except OSError as error:
        raise NotWritten(
            f"cannot write the result of {name} to {path}: {error.strerror or error}",
            hint="free some space, or name another directory (--results DIR; pytest: "
            "--load-results DIR)",
        ) from error


def without_secrets(value: Any) -> Any:  # noqa: ANN401  any JSON value, and the same kind back
    """The same value with tokens and passwords in its texts hidden."""
    if isinstance(value, str):
        return _SECRETS.sub(HIDDEN, value)
    if isinstance(value, Mapping):
        return {key: without_secrets(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    return value


def _write_new(text: str, directory: Path, name: str, started: datetime) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=directory, prefix=f".{name}_", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        return _give_name(Path(temporary), directory, name, started)
    finally:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()


def _path(directory: Path, name: str, started: datetime) -> Path:
    return directory / f"{name}_{started:%Y%m%d_%H%M%S}.json"


def _give_name(temporary: Path, directory: Path, name: str, started: datetime) -> Path:
    """Name a finished file; a hard link fails where a name is taken, a rename would replace."""
    while True:
        path = _path(directory, name, started)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            started += timedelta(seconds=1)
        else:
            return path
