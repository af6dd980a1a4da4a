"""The names that `import straingauge` offers, and who must use them."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import straingauge

REPOSITORY = Path(__file__).resolve().parents[2]
SUITES = (
    "backend/tests/performance",
    "straingauge/examples/bookshelf",
    "straingauge/examples/portal",
)
PUBLIC = {"straingauge", "straingauge.locust"}


@pytest.mark.parametrize("name", straingauge.__all__)
def test_public_name_exists_and_is_documented(name: str):
    """Each name in `__all__` can be imported, and the package's docstring mentions it."""
    assert getattr(straingauge, name) is not None
    base = getattr(straingauge, name)
    is_error = isinstance(base, type) and issubclass(base, straingauge.StraingaugeError)
    assert is_error or name == "__version__" or f"`{name}`" in (straingauge.__doc__ or "")


def test_type_checkers_see_the_same_names():
    """The imports for type checkers are exactly `__all__`."""
    tree = ast.parse(Path(straingauge.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = {
        alias.asname or alias.name
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names | {"__version__"} == set(straingauge.__all__)


def test_unknown_name():
    """A name that does not exist is an AttributeError that says so."""
    with pytest.raises(AttributeError, match="'straingauge' has no attribute 'Usr'"):
        straingauge.Usr  # noqa: B018


def test_import_loads_nothing_else():
    """`import straingauge` loads neither its submodules nor a dependency."""
    program = """
import sys
before = set(sys.modules)
import straingauge
new = set(sys.modules) - before
print(sorted(name for name in new if name.partition(".")[0] not in sys.stdlib_module_names))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['straingauge']\n"


@pytest.mark.parametrize("suite", SUITES)
def test_load_suites_use_public_names_only(suite: str):
    """Load suites and examples import from `straingauge` and `straingauge.locust` alone."""
    files = sorted((REPOSITORY / suite).glob("*.py"))
    assert files
    for path in files:
        tree = ast.parse(path.read_text())
        modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {each for each in modules if each and each.partition(".")[0] == "straingauge"}
        assert ours <= PUBLIC, path.name
