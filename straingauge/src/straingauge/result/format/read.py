"""Read result files, with a helpful error for any other file."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from straingauge.errors import UsageError
from straingauge.json_text import parse_json
from straingauge.result.format.result import Result, Session
from straingauge.result.format.schema import schema, violation
from straingauge.result.format.write import SCHEMA_VERSION
from straingauge.text_file import read_text

SESSION_VERSION: Final = 1
MAX_INTERVALS: Final = 100_000  # a recording has 2,048; charts and comparisons fill gaps

Kind: TypeAlias = Literal["result", "session", "ab", "capacity"]
"""The files of straingauge."""

# By the field with their version.
_KINDS: Final[Mapping[str, Kind]] = {
    "schema_version": "result",
    "session_version": "session",
    "ab_version": "ab",
    "capacity_version": "capacity",
}
_KIND_TEXTS: Final[Mapping[Kind, str]] = {
    "result": "a result",
    "session": "a session's summary",
    "ab": "an A/B comparison",
    "capacity": "a search for capacity",
}
# A field by which files of other tools are recognized.
_OTHER_TOOLS: Final[Mapping[str, str]] = {
    "num_requests": "Locust",
    "root_group": "k6",
    "latencyPercentiles": "oha",
    "latencies": "vegeta",
    "benchmarks": "pytest-benchmark or pyperf",
}


def read(path: Path) -> Result:
    """Read a result file.

    Raises:
        UsageError: The file does not exist, is not a valid result, or is from a later version; the
            message names the file and the field that is wrong.
    """
    document = _loaded(path)
    if not _is_result(document):
        kind = _kind(document)
        raise UsageError(
            f"{path}: {_KIND_TEXTS[kind]}, not a result",
            hint="name the results themselves"
            if kind == "session"
            else "straingauge report shows such a file if it is named alone",
        )
    version = _version(path, document, "schema_version", SCHEMA_VERSION)
    _check(path, document, f"result-{version}")
    for part in (document, *document["endpoints"].values()):
        if not _follow_each_other(part.get("intervals") or []):
            raise _changed(path, "its intervals do not follow each other")
    return cast("Result", document)


def read_session(path: Path) -> Session:
    """Read the summary of a session.

    Raises:
        UsageError: As `read`.
    """
    return cast("Session", read_document(path, "session", SESSION_VERSION))


def read_kind(path: Path) -> Kind:
    """Return of which kind a file is; a folder is one of results.

    Raises:
        UsageError: The file does not exist, or is not one of straingauge.
    """
    return "result" if path.is_dir() else _kind(_loaded(path))


def read_document(path: Path, kind: Kind, newest: int) -> dict[str, Any]:
    """Read a file of another kind than a result.

    Args:
        path: The file.
        kind: Of which kind it is.
        newest: Latest version of its format that can be read.

    Raises:
        UsageError: As `read`.
    """
    document = _loaded(path)
    version = _version(path, document, f"{kind}_version", newest)
    _check(path, document, f"{kind}-{version}")
    return document


def read_all(
    paths: Iterable[Path],
    skipped: Callable[[UsageError], object] | None = None,
    *,
    subfolders: bool = False,
) -> list[tuple[Result, Path]]:
    """Read all results in files and folders, each once, in order.

    A folder means the results in it, by name; a session's summary the results that it lists.

    Args:
        paths: The files and folders.
        skipped: Called with the error of each file of a folder that cannot be read; None raises it.
        subfolders: Whether a folder means the results in its subfolders as well.

    Raises:
        UsageError: As `read`, for a file that is not skipped; or a folder contains no result.
    """
    found: dict[Path, Result] = {}
    for given in paths:
        if given.is_dir():
            found |= _in_folder(given, skipped, "**/*.json" if subfolders else "*.json")
        else:
            found |= {path: read(path) for path in _expand(given)}
    return [(result, path) for path, result in found.items()]


def _in_folder(
    folder: Path, skipped: Callable[[UsageError], object] | None, pattern: str
) -> dict[Path, Result]:
    found = {}
    for path in sorted(folder.glob(pattern)):
        try:
            if _is_result(_loaded(path)):
                found[path] = read(path)
        except UsageError as error:
            if skipped is None:
                raise
            skipped(error)
    if not found:
        raise UsageError(f"{folder}: no result in this folder")
    return found


def _expand(path: Path) -> Iterator[Path]:
    if "session_version" in _loaded(path):
        for test in read_session(path)["tests"]:
            if test["file"]:
                yield _beside(path, test["file"])
    else:
        yield path


def _beside(summary: Path, name: str) -> Path:
    found = Path(os.path.normpath(summary.parent / name))
    if not found.exists():
        raise UsageError(
            f"{summary}: its result {found} is not there",
            hint="move a summary together with its results, or name the results themselves",
        )
    return found


def _loaded(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        document = parse_json(text, finite=True)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}: {_broken(error)}") from error
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    if isinstance(document, dict) and _KINDS.keys() & document.keys():
        return document
    fields = document[0] if isinstance(document, list) and document else document
    other = next((_OTHER_TOOLS[name] for name in _OTHER_TOOLS if _has(fields, name)), None)
    of = f"it looks like one of {other}" if other else "it has no schema_version"
    raise UsageError(
        f"{path}: not a result file: {of}",
        hint="results are what straingauge run, pytest and Locust write into their results folder",
    )


def _kind(document: Mapping[str, Any]) -> Kind:
    return next(_KINDS[field] for field in _KINDS if field in document)


def _is_result(document: Mapping[str, Any]) -> bool:
    return "schema_version" in document


def _broken(error: json.JSONDecodeError) -> str:
    if not error.doc.strip():
        return "not a result file: it is empty"
    if not error.doc[error.pos :].strip():
        return f"not valid JSON: it ends in the middle, in line {error.lineno}: it was cut short"
    if error.doc.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
        return "an HTML page, not a result file: name the JSON files that it shows"
    return f"not valid JSON: {error}"


def _has(document: object, name: str) -> bool:
    return isinstance(document, dict) and name in document


def _version(path: Path, document: Mapping[str, Any], field: str, newest: int) -> int:
    version = document.get(field)
    if type(version) is not int or version < 1:
        raise UsageError(f"{path}: not a result file: {field} is {json.dumps(version)}")
    if version > newest:
        raise UsageError(
            f"{path}: has {field.replace('_', ' ')} {version}; this straingauge reads up to "
            f"{newest}",
            hint="read it with the straingauge that wrote it, or a later one",
        )
    return version


def _follow_each_other(intervals: Sequence[Mapping[str, Any]]) -> bool:
    """Check what no schema says: they are in order, and few are missing."""
    pairs = [*pairwise(intervals), *((intervals[0], intervals[-1]) for _ in intervals[1:2])]
    return all(
        0 < later["start_s"] - row["start_s"] < MAX_INTERVALS * row["duration_s"]
        for row, later in pairs
    )


def _check(path: Path, document: Mapping[str, Any], name: str) -> None:
    wrong = violation(document, schema(name))
    if wrong:
        raise _changed(path, wrong)


def _changed(path: Path, wrong: str) -> UsageError:
    return UsageError(
        f"{path}: not a whole result: {wrong}",
        hint="the file was changed after it was written, or is from another program",
    )
