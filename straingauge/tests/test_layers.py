"""The order in which the packages of straingauge import each other, and the length of files."""

import ast
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import straingauge

ORDER = (
    "inside",  # runs in services, and imports the standard library only
    "histogram",  # pure arithmetic that streams, the engine and the recording share
    *("schedule", "http", "feeders", "journey"),
    "result.format",  # types of the sections that the following packages make, and the files
    *("engine", "recording", "observe", "target", "workers", "traces", "statistics", "verdict"),
    *("diagnosis", "result", "abort", "report", "exports", "live_view", "compare", "history"),
    "plans",  # plans of statements, read after a load
    *(
        "profile",
        "runner",
        "ab",
        "capacity",
        "doctor",
        "replay",
        "scaffold",
        "pull_request",
        "mcp_server",
    ),
    *("cli", "pytest_plugin", "locust"),
)
FREE_FOR_ALL = {
    "control_groups",
    "cpus",
    "errors",
    "extras",
    "git",
    "json_text",
    "line_wrap",
    "number_text",
    "plain_text",
    "process_start",
    "redaction",
    "secret_source",
    "setting_options",
    "text_file",
    "toml_lines",
    "time_text",
    "toml_value",
}
PACKAGE = Path(straingauge.__file__).parent
REPOSITORY = Path(__file__).resolve().parents[2]
SERVICE = "TherapyBridge"
MOST_LINES = 350


def step_of(package: Path, path: Path) -> str:
    """The step a file belongs to: the module or package right below straingauge."""
    return step_of_module(".".join(path.relative_to(package).with_suffix("").parts))


def step_of_module(name: str) -> str:
    """The step of a module by its name below straingauge; the file format is a separate one."""
    top, _, rest = name.partition(".")
    return "result.format" if (top, rest.partition(".")[0]) == ("result", "format") else top


def imports_of(path: Path) -> Iterable[str]:
    """Every module a file imports, at the top, in functions and for type checkers alike."""
    return _imports_in(path.read_text())


@cache  # a copy of the package has the same texts
def _imports_in(text: str) -> list[str]:
    return list(_found_imports(text))


def _found_imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # `from straingauge import engine` imports a step, too
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def violations(package: Path) -> list[str]:
    """Return violations of the order as sentences."""
    found = []
    for path in sorted(package.rglob("*.py")):
        step = step_of(package, path)
        if SERVICE.lower() in path.read_text().lower():
            found.append(f"{path.relative_to(package)} mentions {SERVICE}")
        if step == "__init__":
            continue
        for module in imports_of(path):
            top, _, rest = module.partition(".")
            other = step_of_module(rest)
            if top == "locust" and step != "locust":
                found.append(f"{step} imports Locust")
            if top == "straingauge" and not may_import(step, other):
                found.append(f"{step} imports {other}, which comes after it")
    return found


def may_import(step: str, other: str) -> bool:
    """Return true if a step may import another: itself, one above it, or one free for all."""
    if other in {"", step, *FREE_FOR_ALL} or other not in steps():
        return True
    above = ORDER[: ORDER.index(step)] if step in ORDER else ()
    return other in above


@cache
def steps() -> set[str]:
    """Every module and package right below straingauge."""
    return {step_of(PACKAGE, path) for path in PACKAGE.rglob("*.py")}


def test_every_module_is_a_step_of_the_way():
    """A module that the order does not know has no place in the package."""
    assert steps() - {"__init__", *FREE_FOR_ALL} <= set(ORDER)


def test_a_module_imports_only_from_steps_above_it():
    """The package reads from top to bottom, Locust stays in its corner, no service is named."""
    assert violations(PACKAGE) == []


@pytest.mark.parametrize(
    ("file", "line", "complaint"),
    [
        ("schedule.py", "from straingauge.target import Stand", "schedule imports target"),
        ("errors.py", "import straingauge.journey", "errors imports journey"),
        ("target/run.py", "def late():\n    from straingauge import cli", "target imports cli"),
        ("cli.py", "import locust.env", "cli imports Locust"),
        ("cli.py", f"# for {SERVICE}", f"cli.py mentions {SERVICE}"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str, complaint: str):
    """The walk sees what it is there to see."""
    copy = tmp_path / "straingauge"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy / file).open("a") as source:
        source.write(f"\n{line}\n")
    assert any(complaint in each for each in violations(copy))


def test_the_service_knows_nothing_of_its_instrument():
    """The backend's code never imports straingauge."""
    files = list((REPOSITORY / "backend" / "app").rglob("*.py"))
    assert files
    for path in files:
        assert not [name for name in imports_of(path) if name.partition(".")[0] == "straingauge"]


def too_long(root: Path, names: Iterable[str]) -> list[str]:
    """Return the files with more lines than a file may have, as sentences."""
    lengths = {name: len((root / name).read_bytes().splitlines()) for name in names}
    return [
        f"{name} has {lines} lines: split it by its nouns"
        for name, lines in lengths.items()
        if lines > MOST_LINES
    ]


def test_no_file_is_too_long():
    """Each Python file of the repository has 350 lines at most."""
    command = ["git", "-C", REPOSITORY, "ls-files", "-z", "--", "*.py"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (REPOSITORY / name).is_file()]
    assert len(names) > 1000
    assert too_long(REPOSITORY, names) == []


def test_a_long_file_is_found(tmp_path: Path):
    """A file with one line more than allowed is named."""
    (tmp_path / "fine.py").write_text("x = 1\n" * MOST_LINES)
    (tmp_path / "long.py").write_text("x = 1\n" * (MOST_LINES + 1))
    found = too_long(tmp_path, ["fine.py", "long.py"])
    assert found == ["long.py has 351 lines: split it by its nouns"]
