"""Hooks of both packages' tests: groups of tests for `--dist loadgroup`, and their names.

Tests that share a fixture of their module run in one process. `conftest.py` imports the hooks.
"""

import pytest

NAME_LENGTH = 200
"""Longest value in the name of a test. Names of megabytes took a second of each process."""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests that share a fixture of their module in one process of xdist."""
    for item in items:
        info = item._fixtureinfo if isinstance(item, pytest.Function) else None
        fixtures = info.name2fixturedefs.values() if info else ()
        if any(fixture.scope == "module" for each in fixtures for fixture in each):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail if xdist ignores the groups: each process would repeat the fixtures of all modules."""
    has_group = item.get_closest_marker("xdist_group") is not None
    if has_group and item.config.getoption("loadgroup", default=False):
        assert "@" in item.nodeid.rpartition("]")[2], "this version of xdist ignores groups"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name tests with long or binary values by the argument.

    gzip writes the time into its output, and the processes of xdist must collect the same names.
    """
    if isinstance(val, bytes):
        return (
            argname if len(val) > NAME_LENGTH or not val.decode("latin-1").isprintable() else None
        )
    return argname if isinstance(val, str) and len(val) > NAME_LENGTH else None
