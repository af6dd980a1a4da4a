"""The files of a load suite: journeys, thresholds and tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from straingauge.errors import UsageError
from straingauge.scaffold.code import HEAD, journeys
from straingauge.scaffold.document import Document
from straingauge.scaffold.operation import Operation, operations
from straingauge.scaffold.security import log_in

THRESHOLDS: Final = """# Thresholds. These are guesses: replace them with the service's objectives.
# Grammar: python -m pydoc straingauge.verdict.thresholds

[all]
error_rate_percent = { target = 0.1, warning = 1, critical = 5 }
p95_ms = { target = 200, warning = 500, critical = 1000 }
"""
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
        constant(rate_per_s=10, duration_s=10),
        users=load.accounts(ACCOUNT, 20, log_in=LOG_IN),
    )
    load.judge(run)


@pytest.mark.load(endpoints=journeys.endpoints)
def test_busy(load):
    """Ten concurrent users, each of which starts its next journey when one ends."""
    run = load.run(
        "busy",
        journeys.mix,
        constant_users(count=10, duration_s=10, think_s=(0.1, 0.5)),
        users=load.accounts(ACCOUNT, 10, log_in=LOG_IN),
    )
    load.judge(run)
'''
PYTEST_INI: Final = """[pytest]
addopts = --load-host {url}
"""
FILES: Final = ("journeys.py", "thresholds.toml", "test_load.py", "pytest.ini")


@dataclass(frozen=True, slots=True)
class Scaffold:
    """A suite, before it is written.

    Attributes:
        files: Texts of the files by name.
        mixed: Operations in the mix.
        skipped: The other operations, each with the reason.
        settings: Environment variables that it reads.
    """

    files: Mapping[str, str]
    mixed: Sequence[Operation]
    skipped: Sequence[tuple[Operation, str]]
    settings: Sequence[str]


def scaffold(document: Document, url: str, folder: Path, *, here: bool, writes: bool) -> Scaffold:
    """Create a suite.

    Args:
        document: The OpenAPI document.
        url: Base URL of the service.
        folder: Folder of the suite.
        here: Whether the service runs on this machine; another host must be allowed at each run.
        writes: Whether to include operations that change data.
    """
    made = operations(document)
    mixed = [each for each in made if not _reason(each, writes=writes)]
    # A mix must not be empty; if it fails, it says what is missing.
    mixed = mixed or [each for each in made if each.reads] or made
    code, settings = log_in(document) if any(each.needs_log_in for each in mixed) else ("", ())
    title = str(document.content.get("info", {}).get("title") or "the service").replace('"', "'")
    title = " ".join(title.replace("\\", "").split())
    named = {"title": title, "folder": folder.name, "url": url, "source": document.source}
    files = {
        "journeys.py": journeys(made, mixed, head=HEAD.format(**named), log_in=code),
        "thresholds.toml": THRESHOLDS,
        "test_load.py": TESTS.format(**named),
        "pytest.ini": PYTEST_INI.format(url=url),
    }
    if not here:
        del files["pytest.ini"]
    skipped = [(each, _reason(each, writes=writes)) for each in made if each not in mixed]
    return Scaffold(files, mixed, skipped, settings)


def write(made: Scaffold, folder: Path) -> list[Path]:
    """Write all files or none; existing files are not overwritten.

    Raises:
        UsageError: A file exists, or the folder is not writable.
    """
    taken = [str(folder / name) for name in FILES if (folder / name).exists()]
    if taken:
        raise UsageError(
            f"{', '.join(taken)}: already exists, and is not overwritten",
            hint="use another folder: -o DIR",
        )
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.files.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                written.append(folder / name)
                file.write(text)
    except OSError as error:
        for path in written:
            path.unlink()
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return written


def _reason(operation: Operation, *, writes: bool) -> str:
    """Why an operation is skipped; empty if it is not."""
    if operation.blanks:
        return f"unknown: {operation.blanks[0].what}"
    if operation.endless:
        return "its response is an endless stream"
    return "" if operation.reads or writes else "it changes data (include it with --writes)"
