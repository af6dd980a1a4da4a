"""Result files: one JSON file for each run, written whole or not at all, and never over another.

Versions of the format:
    1   name, started_at, configuration, environment, metrics, endpoints, status_codes, errors,
        phases, resources, verdict, validity
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from straingauge.errors import UsageError

SCHEMA_VERSION = 1

_FIELDS: Mapping[str, type] = {
    "name": str,
    "started_at": str,
    "configuration": dict,
    "environment": dict,
    "metrics": dict,
    "endpoints": dict,
    "status_codes": dict,
    "errors": dict,
    "phases": dict,
    "resources": dict,
    "verdict": dict,
    "validity": dict,
}

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
    document = {"schema_version": SCHEMA_VERSION, **without_secrets(result)}
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    started = datetime.fromisoformat(result["started_at"])
    path = _path(directory, result["name"], started)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        return _write_new(text, directory, result["name"], started)
    except OSError as error:
        raise NotWritten(
            f"cannot write the result of {result['name']} to {path}: {error.strerror or error}",
            hint="free some space, or name another directory (--results DIR; pytest: "
            "--load-results DIR)",
        ) from error


def read(path: Path) -> dict[str, Any]:
    """Read a result file and check its shape.

    Raises:
        UsageError: No such file, not a result, or one of a version this straingauge does not know.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(document, dict) or "schema_version" not in document:
        raise UsageError(f"{path}: not a result file: it has no schema_version")
    version = document["schema_version"]
    if version != SCHEMA_VERSION:
        raise UsageError(
            f"{path}: has schema version {version}; this straingauge reads {SCHEMA_VERSION}",
            hint="read it with the straingauge that wrote it",
        )
    for field, kind in _FIELDS.items():
        if not isinstance(document.get(field), kind):
            raise UsageError(f"{path}: not a result file: {field} must be a {kind.__name__}")
    return document


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
