"""Names of load tests and endpoints in the Python files of a folder, without importing them.

A threshold file has tables for all load tests of its folder, but a session may collect one of them.
"""

import ast
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

_METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")
_OTHER_RUNS: Final = ("subprocess", "asyncio")  # their functions `run` are not the fixture's
_ENDPOINT: Final = re.compile(r"[A-Z]+(\\ |\.\*)")  # a method and a space, as patterns have them
_ANY: Final = ".*"  # known only when the test runs
_NONE: Final = r"(?!)"


@dataclass(slots=True)
class SourceNames:
    """Names in Python files, as patterns: literals, f-strings and functions.

    Attributes:
        tests: Patterns of what may be the name of a load test.
        endpoints: Patterns of what may be the name of an endpoint.
    """

    tests: set[str] = field(default_factory=set)
    endpoints: set[str] = field(default_factory=set)

    @classmethod
    @cache
    def below(cls, folder: Path, ignored: tuple[str, ...] = ()) -> "SourceNames":
        """Collect the names of a folder and its subfolders.

        Args:
            folder: The folder.
            ignored: Patterns of subfolders that are not read.
        """
        names = cls()
        for path in _python_files(folder, ignored):
            try:
                tree = ast.parse(path.read_bytes())
            except (OSError, SyntaxError, ValueError):
                continue  # pytest reports it, if it is one of its tests
            for node in ast.walk(tree):
                names._add(node)
        return names

    def has_test(self, name: str) -> bool:
        """Return whether a load test may have this name."""
        return any(re.fullmatch(pattern, name, re.DOTALL) for pattern in self.tests)

    def has_endpoint(self, name: str) -> bool:
        """Return whether an endpoint may have this name."""
        return any(re.fullmatch(pattern, name, re.DOTALL) for pattern in self.endpoints)

    def _add(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name.removeprefix("test_")
            self.tests.add(rf"(test_)?{re.escape(name)}(\[.*\])?")
        elif isinstance(node, ast.Constant | ast.JoinedStr):
            pattern = _pattern(node)
            if pattern is not None and _has_word(node):
                self.tests.add(pattern)
                if _ENDPOINT.match(pattern):
                    self.endpoints.add(pattern)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            self._add_call(node, node.func)

    def _add_call(self, call: ast.Call, method: ast.Attribute) -> None:
        named = [each.value for each in call.keywords if each.arg == "name"]
        first = next(iter([*call.args, *named]), None)
        if first is None:
            return
        pattern = _pattern(first)
        if method.attr in _METHODS and pattern is not None and _has_word(first):
            self.endpoints.add(f"{method.attr.upper()} {pattern}")
        if method.attr == "run" and getattr(method.value, "id", None) not in _OTHER_RUNS:
            computed = isinstance(first, ast.BinOp | ast.Call | ast.Subscript)
            self.tests.add(_ANY if computed else pattern or _NONE)


def folder_of_tests(thresholds: Path, test_file: Path, project: Path | None) -> Path:
    """Return the folder of all tests that a threshold file is for.

    Args:
        thresholds: The threshold file.
        test_file: The file of one of the tests.
        project: Root of the project, by pytest's configuration file. Without one it is None:
            pytest's root may then be any folder, such as "/", which is not read as a whole.
    """
    own, folder = test_file.parent, Path(os.path.normpath(thresholds.parent))
    root = project or own
    if own == folder or (own.is_relative_to(folder) and folder.is_relative_to(root)):
        return folder
    return root if own.is_relative_to(root) else own


def _pattern(node: ast.AST) -> str | None:
    """Return a pattern that a string of the source matches; None for anything else."""
    if isinstance(node, ast.Constant):
        return re.escape(node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) or _ANY for part in node.values)
    return None


def _has_word(node: ast.AST) -> bool:
    """Return whether a string has fixed text, so that its pattern does not match all names."""
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return any(isinstance(text, str) and re.search(r"\w", text) for text in texts)


def _python_files(folder: Path, ignored: Sequence[str]) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not any(fnmatch.fnmatch(name, each) for each in ignored)
            and not Path(path, name, "pyvenv.cfg").exists()
        ]
        yield from (Path(path, name) for name in files if name.endswith(".py"))
