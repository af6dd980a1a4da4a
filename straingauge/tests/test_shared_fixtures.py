"""Fixtures in modules that other test modules share."""

import ast
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parent


def plugin_modules() -> set[str]:
    """Return the modules of this folder that `pytest_plugins` of any module names."""
    named = {
        constant.value
        for file in TESTS.glob("test_*.py")
        for statement in ast.parse(file.read_text()).body
        if isinstance(statement, ast.Assign)
        and ast.unparse(statement.targets[0]) == "pytest_plugins"
        for constant in ast.walk(statement.value)
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    return {name for name in named if (TESTS / f"{name}.py").exists()}


def fixtures(module: str) -> set[str]:
    """Return the names of a module's fixtures."""
    tree = ast.parse((TESTS / f"{module}.py").read_text())
    return {
        function.name
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        and any("pytest.fixture" in ast.unparse(each) for each in function.decorator_list)
    }


def test_shared_fixtures_have_different_names():
    """Of two shared fixtures with one name, a test would get that of the module read last."""
    modules = plugin_modules()
    assert {"load_project", "locust_project"} <= modules
    defined = Counter(name for module in (*modules, "conftest") for name in fixtures(module))
    assert {name for name, times in defined.items() if times > 1} == set()
