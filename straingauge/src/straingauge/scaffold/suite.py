"""The files of a load suite: journeys, thresholds and tests."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.number_text import count
from straingauge.scaffold.code import HEAD, endpoints_of, journeys
from straingauge.scaffold.document import Document
from straingauge.scaffold.effects import reason_against, set_origins
from straingauge.scaffold.operation import Operation, operations
from straingauge.scaffold.security import Authentication, LogIn
from straingauge.scaffold.source import literal, plain
from straingauge.verdict.threshold_schema import threshold_schema

SCHEMA_FILE: Final = "thresholds.schema.json"
THRESHOLDS: Final = f"""#:schema {SCHEMA_FILE}
# Thresholds. These are guesses: replace them with the service's objectives.
# Grammar: python -m pydoc straingauge.verdict.thresholds

[all]
error_rate_percent = {{ target = 0.1, warning = 1, critical = 5 }}
p95_ms = {{ target = 200, warning = 500, critical = 1000 }}
p99_ms = {{ target = 400, warning = 1000, critical = 2000 }}
"""
ENDPOINT: Final = """
[endpoint.{name}]
p95_ms = {{ target = 200, warning = 500, critical = 1000 }}
p99_ms = {{ target = 400, warning = 1000, critical = 2000 }}
"""
MAX_OPERATIONS: Final = 500
"""Operations of one suite: a mix of more is no draft that a person reads."""

MAX_ENDPOINTS: Final = 200
"""Endpoints of a mix: those that a result keeps apart (`recording.MAX_ENDPOINTS`)."""

TESTS: Final = '''"""Load tests of {title}; run them with: pytest {folder}."""

import journeys
import pytest
from straingauge import constant, constant_users

ACCOUNT, LOG_IN = (getattr(journeys, name, None) for name in ("account", "log_in"))


@pytest.mark.load(endpoints=journeys.endpoints)
def test_steady(load):
    """Ten journeys start per second, whether the service keeps up or not."""
    run = load.run(
        "steady",
        journeys.mix,
        constant(rate_per_s=10, duration_s={seconds}),
        users=load.accounts(ACCOUNT, 20, log_in=LOG_IN),
    )
    load.judge(run)


@pytest.mark.load(endpoints=journeys.endpoints)
def test_busy(load):
    """Ten concurrent users, each of which starts its next journey when one ends."""
    run = load.run(
        "busy",
        journeys.mix,
        constant_users(count=10, duration_s={seconds}, think_s=(0.1, 0.5)),
        users=load.accounts(ACCOUNT, 10, log_in=LOG_IN),
    )
    load.judge(run)
'''
_PYTEST_INI: Final = """[pytest]
# The journeys are found with any --import-mode.
pythonpath = .
"""
FILES: Final = ("journeys.py", "thresholds.toml", SCHEMA_FILE, "test_load.py", "pytest.ini")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A suite, before it is written.

    Attributes:
        files: Texts or contents of the files by name.
        mixed: Operations in the mix.
        skipped: The other operations, each with the reason.
        settings: Environment variables that it reads.
        omitted: Number of operations beyond the largest suite.
    """

    files: Mapping[str, str | bytes]
    mixed: Sequence[Operation]
    skipped: Sequence[tuple[Operation, str]]
    settings: Sequence[str]
    omitted: int = 0


def scaffold(document: Document, url: str, folder: Path, *, here: bool, writes: bool) -> Scaffold:
    """Create a suite.

    Args:
        document: The OpenAPI document.
        url: Base URL of the service.
        folder: Folder of the suite.
        here: Whether the service runs on this machine; another host must be allowed at each run.
        writes: Whether to include operations that change data.
    """
    every = operations(document)
    made = every[:MAX_OPERATIONS]
    if all(each.problem for each in made):
        raise UsageError(made[0].problem if made else f"{document.source} has no operations")
    set_origins(made, document)
    authentication = Authentication(document, url, every)
    wanted = [each for each in made if not _reason(each, made, writes=writes)]
    # A mix must not be empty; if it fails, it says what is missing.
    wanted = wanted or [each for each in made if not _unsafe(each, made, writes=writes)]
    user = authentication.log_in(wanted)
    reasons = [(each, _reason(each, made, user, writes=writes)) for each in made]
    mixed = [each for each in wanted if user.operation not in _calls(each) and user.serves(each)]
    mixed = _tolerating_deletions(_within_limit(mixed))
    chosen = {each.function for each in mixed}
    too_many = f"a result has {count(MAX_ENDPOINTS, 'endpoint')} at most"
    skipped = [(each, why or too_many) for each, why in reasons if each.function not in chosen]
    title, source = plain(document.title, 80), plain(document.source, 200)
    named = {"title": title, "folder": plain(folder.name, 100), "url": url, "source": source}
    files = {
        "journeys.py": journeys(mixed, skipped, head=HEAD.format(**named), log_in=user.code),
        **threshold_files(endpoints_of(mixed)),
        "test_load.py": TESTS.format(**named, seconds=seconds_for(len(mixed))),
        "pytest.ini": pytest_ini(url, here=here),
    }
    return Scaffold(files, mixed, skipped, user.settings, len(every) - len(made))


def seconds_for(journeys: int) -> int:
    """Return the duration of a test in seconds: at 10 journeys per second, each runs twice."""
    return max(10, math.ceil(journeys * 2 / 10))


def pytest_ini(url: str, *, here: bool) -> str:
    """Return the settings of pytest in the folder of a suite.

    Args:
        url: Base URL of the service.
        here: Whether the service runs on this machine; another host must be allowed at each run.
    """
    return f"{_PYTEST_INI}addopts = --load-host {url}\n" if here else _PYTEST_INI


def threshold_files(endpoints: Iterable[str]) -> dict[str, str]:
    """Return the texts of a threshold file for the endpoints, and of its schema, by their names."""
    tables = "".join(ENDPOINT.format(name=toml_key(name)) for name in endpoints)
    schema = json.dumps(threshold_schema(), indent=1)
    return {"thresholds.toml": THRESHOLDS + tables, SCHEMA_FILE: f"{schema}\n"}


def write(made: Scaffold, folder: Path) -> list[Path]:
    """Write all files or none; existing files are not overwritten.

    Raises:
        UsageError: A file exists, or the folder is not writable.
    """
    taken = [
        str(folder / name)
        for name in dict.fromkeys([*FILES, *made.files])
        if (folder / name).exists()
    ]
    if taken:
        raise UsageError(
            f"{', '.join(taken)}: already exists, and is not overwritten",
            hint="use another folder: -o DIR",
        )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            with (folder / name).open("xb") as file:
                written.append(folder / name)
                file.write(text if isinstance(text, bytes) else text.encode())
    except OSError as error:
        for path in written:
            path.unlink()
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return written


def _within_limit(mixed: Sequence[Operation]) -> Sequence[Operation]:
    """Leave out what a result would count together: thresholds of an endpoint need its data."""
    while len(endpoints_of(mixed)) > MAX_ENDPOINTS:
        mixed = mixed[:-1]
    return mixed


def _reason(
    operation: Operation,
    made: Sequence[Operation],
    user: LogIn | None = None,
    *,
    writes: bool,
) -> str:
    """Why an operation is skipped; empty if it is not."""
    if user is not None and user.operation in _calls(operation):
        return "the log-in calls it"
    unsafe = _unsafe(operation, made, writes=writes)
    if unsafe or operation.blanks:
        return unsafe or f"unknown: {operation.blanks[0].what}"
    if user is not None and not user.serves(operation):
        schemes = " or ".join(" and ".join(each) for each in operation.security)
        return f"it asks for another log-in: {schemes}"
    return ""


def _calls(operation: Operation) -> list[Operation]:
    """Operations that change data and that the operation's journey calls."""
    return [operation, *([operation.origin[0]] if operation.origin is not None else [])]


def _unsafe(operation: Operation, made: Sequence[Operation], *, writes: bool) -> str:
    """Why an operation may not be sent, whatever its values; empty if it may."""
    if operation.problem:
        return operation.problem
    if operation.success.endless:
        return "its response is an endless stream"
    return reason_against(operation, made, writes=writes)


def _tolerating_deletions(mixed: Sequence[Operation]) -> list[Operation]:
    """Let a look-up expect a 404 if another journey may delete the row meanwhile."""
    deleted = {each.path for each in mixed if each.method == "delete"}
    return [
        replace(each, success=replace(each.success, expect=[*each.success.expect, 404]))
        if each.rows is not None and each.path in deleted
        else each
        for each in mixed
    ]


def toml_key(name: str) -> str:
    """A key of a TOML table; JSON escapes a string as TOML does."""
    return literal(name).replace("\x7f", "\\u007f")
