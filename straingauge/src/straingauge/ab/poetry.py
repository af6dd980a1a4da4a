"""Requirements of the tables that Poetry reads, as pip writes them (PEP 508)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")


def poetry_requirements(poetry: Mapping[str, Any]) -> list[str]:
    """Convert `[tool.poetry]`: the dependencies and those of groups that are not optional."""
    groups = poetry.get("group")
    tables = [
        poetry.get("dependencies"),
        poetry.get("dev-dependencies"),
        *(
            group.get("dependencies")
            for group in (groups.values() if isinstance(groups, Mapping) else ())
            if isinstance(group, Mapping) and not group.get("optional")
        ),
    ]
    return [
        line
        for table in tables
        if isinstance(table, Mapping)
        for name, value in table.items()
        if name != "python"
        for line in _requirements(name, value)
    ]


def _requirements(name: str, value: object) -> Iterator[str]:
    if isinstance(value, list):  # one of several, by their markers
        for each in value:
            yield from _requirements(name, each)
    elif isinstance(value, str):
        yield name + _specifiers(value)
    elif isinstance(value, Mapping) and not value.get("optional"):
        yield _from_table(name, value)


def _from_table(name: str, value: Mapping[str, Any]) -> str:
    if git := value.get("git"):
        reference = value.get("rev") or value.get("tag") or value.get("branch")
        return f"{name} @ git+{git}" + (f"@{reference}" if reference else "")
    if local := value.get("path"):
        return str(local)
    if url := value.get("url"):
        return f"{name} @ {url}"
    extras = f"[{','.join(value['extras'])}]" if value.get("extras") else ""
    markers = f" ; {value['markers']}" if value.get("markers") else ""
    return f"{name}{extras}{_specifiers(str(value.get('version', '*')))}{markers}"


def _specifiers(constraint: str) -> str:
    """Convert a version constraint (python-poetry.org/docs/dependency-specification)."""
    if "||" in constraint or "|" in constraint:  # alternatives, which PEP 440 lacks
        return ""
    return ",".join(filter(None, (_specifier(each.strip()) for each in constraint.split(","))))


def _specifier(text: str) -> str:
    if text in ("", "*"):
        return ""
    version = text[1:].strip()
    release = [int(part) for part in version.split(".")] if _VERSION.fullmatch(version) else None
    if text[0] == "^" and release:
        fixed = next((i for i, part in enumerate(release) if part), len(release) - 1)
        return f">={version},<{_next(release, fixed)}"
    if text[0] == "~" and text[1] != "=" and release:
        return f">={version},<{_next(release, min(1, len(release) - 1))}"
    if text[0] in "^~" and text[1] != "=":  # a pre-release
        return f">={version}"
    return text if text[0] in "<>=!~" else f"=={text}"


def _next(release: list[int], position: int) -> str:
    """Return the release after this one at a position: 1.2.3 at position 1 is 1.3."""
    return ".".join(map(str, [*release[:position], release[position] + 1]))
