"""Load tests among pytest's items: tests that use the fixture `load` of this plugin."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import pytest

from straingauge.errors import UsageError

FIXTURE: Final = "load"
_MODULE: Final = "straingauge.pytest_plugin.worker"  # of the fixture


def is_load_test(item: pytest.Item) -> bool:
    """Return whether a test uses the fixture `load` of this plugin, itself or in its fixtures.

    A parameter, or another fixture of that name, is not ours; a fixture that overrides ours and
    uses it, is. If another plugin has a fixture of that name, ours is for tests with the mark.
    """
    if FIXTURE not in getattr(item, "fixturenames", ()):
        return False
    definitions = _definitions(item)
    for position, definition in reversed(list(enumerate(definitions))):
        if definition.func.__module__ == _MODULE:
            return position == 0 or item.get_closest_marker(FIXTURE) is not None
        if FIXTURE not in definition.argnames:
            return False
    return False


def hides_another(item: pytest.Item) -> bool:
    """Return whether another plugin has a fixture of the same name, which ours comes before."""
    return any(definition.func.__module__ != _MODULE for definition in _definitions(item)[:1])


def endpoints(marks: Iterable[pytest.Mark]) -> list[str]:
    """Return the endpoints that `load` marks declare.

    Raises:
        UsageError: They are not a list of names.
    """
    found: list[str] = []
    for mark in marks:
        declared = mark.kwargs.get("endpoints", ())
        if isinstance(declared, str) or not isinstance(declared, Iterable):
            raise UsageError(
                f"endpoints of the mark `load` must be a list of names, not {declared!r}",
                hint='@pytest.mark.load(endpoints=["GET /health"])',
            )
        names = list(declared)
        if wrong := [name for name in names if not isinstance(name, str)]:
            raise UsageError(f"endpoints of the mark `load`: {wrong[0]!r} is not a name")
        found += names
    return found


def test_name(item: pytest.Item) -> str:
    """Return the name of a test function without "test_" and parameters."""
    return str(getattr(item, "originalname", None) or item.name).removeprefix("test_")


def parameters(items: Iterable[pytest.Item]) -> set[str]:
    """Return the texts among the parameters of tests; a test may be named by them."""
    calls = [getattr(item, "callspec", None) for item in items]
    values = [value for call in calls if call is not None for value in call.params.values()]
    return {value for value in values if isinstance(value, str)}


def is_repeated(item: pytest.Item) -> bool:
    """Return whether a plugin would repeat the test after a failure."""
    options = item.config.option
    repeats = any(getattr(options, name, None) for name in ("reruns", "retries"))
    return repeats or item.get_closest_marker("flaky") is not None


def _definitions(item: pytest.Item) -> Sequence[Any]:
    """Return the fixtures named `load` that the test sees; each overrides the one before."""
    info = getattr(item, "_fixtureinfo", None)  # pytest has no public access to it
    return () if info is None else tuple(info.name2fixturedefs.get(FIXTURE, ()))
