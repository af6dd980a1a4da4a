"""Hooks of both packages' tests: tests that share a fixture of their module run in one process.

`conftest.py` imports them. They work with `--dist loadgroup`.
"""

import pytest


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
