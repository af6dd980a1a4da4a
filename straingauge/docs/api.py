# ruff: noqa: INP001 - a script that stands alone
"""Write the API reference as one page of Markdown: `python docs/api.py > api.md`.

It contains the docstrings of all names in `__all__` of `MODULES`, and the module docstrings of
`HEADS`, which describe file formats.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from types import ModuleType

MODULES = (
    *("straingauge", "straingauge.http", "straingauge.journey", "straingauge.schedule"),
    *("straingauge.locust", "straingauge.engine", "straingauge.recording"),
    *("straingauge.statistics", "straingauge.verdict", "straingauge.diagnosis"),
    *("straingauge.result.format", "straingauge.history", "straingauge.doctor"),
    *("straingauge.scaffold", "straingauge.target", "straingauge.errors"),
    "straingauge.inside",
)
HEADS = (
    *("straingauge.cli.scenario", "straingauge.verdict.thresholds", "straingauge.verdict.metrics"),
    *(
        "straingauge.target.config",
        "straingauge.result.format.write",
        "straingauge.pytest_plugin.load_test",
    ),
)


def main() -> None:
    """Write the page to standard output."""
    print("# API reference of straingauge")
    for name in MODULES:
        print("\n".join(module(importlib.import_module(name))))
    print("\n# Files and formats")
    for name in HEADS:
        print("\n".join(head(importlib.import_module(name), 2)))


def module(of: ModuleType) -> Iterator[str]:
    """Yield a module's docstring and its public names."""
    yield from head(of, 2)
    for name in public(of):
        yield from named(name, getattr(of, name))


def public(of: ModuleType) -> list[str]:
    """Return the public names of a module: `__all__`, or else the classes that it defines."""
    if hasattr(of, "__all__"):
        return list(of.__all__)
    own = inspect.getmembers(of, inspect.isclass)
    return [name for name, value in own if value.__module__ == of.__name__]


def head(of: ModuleType, depth: int) -> Iterator[str]:
    """Yield a heading and the module's docstring."""
    yield f"\n{'#' * depth} `{of.__name__}`\n\n{quoted(of)}"


def named(name: str, value: object) -> Iterator[str]:
    """Yield the signature and docstring of a public name, and those of its methods."""
    ours = str(getattr(value, "__module__", "")).startswith("straingauge")
    if not ours or not (inspect.isclass(value) or inspect.isroutine(value)):
        yield f"\n### `{name}`\n\n    {short(repr(value)):.200}"
        return
    yield f"\n### `{name}{signature(value)}`\n\n{quoted(value)}"
    for method, function in vars(value).items() if inspect.isclass(value) else ():
        plain = function.fget if isinstance(function, property) else inspect.unwrap(function)
        if not method.startswith("_") and inspect.isroutine(plain) and inspect.getdoc(plain):
            yield f"\n#### `{name}.{method}{signature(plain)}`\n\n{quoted(plain)}"


def signature(value: object) -> str:
    """Return the signature; empty if Python does not know it."""
    try:
        return short(str(inspect.signature(value)))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


def short(text: str) -> str:
    """Return names without their modules."""
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z_a-z])", "", text)


def quoted(value: object) -> str:
    """Return a docstring as an indented block."""
    text = inspect.getdoc(value)
    if text is None:
        sys.exit(f"{value!r} is public and has no docstring")
    return "\n".join(f"    {line}".rstrip() for line in text.splitlines())


if __name__ == "__main__":
    main()
