"""Dependencies that a folder declares, as requirements and constraints of pip.

The first folder from the service's upwards that declares any is read: requirements.txt with the
files that it includes; otherwise pyproject.toml (PEP 621, PEP 735, Poetry), Pipfile or setup.cfg.
Versions of a lock file of uv, Poetry, PDM or Pipenv become constraints.
"""

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from straingauge.ab.poetry import poetry_requirements
from straingauge.errors import UsageError
from straingauge.json_text import parse_json
from straingauge.text_file import read_text, read_toml

_LOCK_FILES: Final = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")
# Files of other tools, and of projects whose requirements depend on where the service runs.
_NOT_READ: Final = (
    *("requirements/*.txt", "requirements/*.in", "requirements*.txt", "requirements*.in"),
    *("setup.py", "environment.yml", "environment.yaml", "conda-lock.yml", "pixi.lock"),
)
_INCLUDE: Final = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s+|=|(?<=-[rc]))(\S+)")
_OWN_PROJECT: Final = re.compile(r"(?:-e\s*|--editable[ =]\s*)?\.(?:/|\[|$)")
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Requirements and constraints of pip.

    Attributes:
        requirements: Lines of a requirements file.
        constraints: Lines of a constraints file.
        folder: The folder to which paths in them are relative.
    """

    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    folder: Path = field(default=Path(), compare=False)

    def __bool__(self) -> bool:
        return bool(self.requirements)


def dependencies(folder: Path, root: Path) -> Dependencies:
    """Read the dependencies of a service.

    Args:
        folder: The service's folder.
        root: The topmost folder to read.

    Raises:
        UsageError: A file is not valid.
    """
    for each in (folder, *folder.parents):
        if found := _declared(each):
            locked = (_locked(above / name) for above in _up_to(each, root) for name in _LOCK_FILES)
            constraints = (*found.constraints, *next(filter(None, locked), ()))
            return Dependencies(tuple(sorted(found.requirements)), tuple(sorted(constraints)), each)
        if each == root:
            break
    return Dependencies()


def unread_differences(folder: Path, other: Path) -> list[str]:
    """Return files of two folders that may declare dependencies, are not read, and differ."""
    names = {
        str(path.relative_to(each))
        for each in (folder, other)
        for pattern in _NOT_READ
        for path in each.glob(pattern)
    }
    return sorted(name for name in names if _content(folder / name) != _content(other / name))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _up_to(folder: Path, root: Path) -> Iterator[Path]:
    """Yield a folder and those above it; the lock file of a workspace is in its root."""
    for each in (folder, *folder.parents):
        yield each
        if each == root:
            return


def _declared(folder: Path) -> Dependencies:
    requirements = folder / "requirements.txt"
    if requirements.is_file():
        wanted, constraints = _lines(requirements, frozenset())
        if any(map(_OWN_PROJECT.match, wanted)):
            wanted += _of_project(folder)
        return Dependencies(tuple(wanted), tuple(constraints))
    return Dependencies(tuple(_of_project(folder)))


def _lines(path: Path, including: frozenset[Path]) -> tuple[list[str], list[str]]:
    """Return the lines of a requirements file and of its constraints files, includes resolved."""
    path = path.resolve()
    if path in including:
        return [], []
    wanted: list[str] = []
    constraints: list[str] = []
    for raw in read_text(path).replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        include = _INCLUDE.fullmatch(line)
        if include is None or "://" in line:
            wanted += [" ".join(line.split())] if line else []
            continue
        inner = _lines(path.parent / include[2], including | {path})
        constraints += inner[1]
        (wanted if include[1] in ("-r", "--requirement") else constraints).extend(inner[0])
    return wanted, constraints


def _of_project(folder: Path) -> list[str]:
    for name, read in (
        ("pyproject.toml", _of_pyproject),
        ("Pipfile", _of_pipfile),
        ("setup.cfg", _of_setup_cfg),
    ):
        if (folder / name).is_file() and (found := read(folder / name)):
            return found
    return []


def _of_pyproject(path: Path) -> list[str]:
    content = read_toml(path)
    project, tool = _table(content, "project"), _table(content, "tool")
    found = _texts(project.get("dependencies"))
    if "dependencies" in _texts(project.get("dynamic")):
        dynamic = _table(_table(_table(tool, "setuptools"), "dynamic"), "dependencies")
        for name in _texts(dynamic.get("file")):
            if (path.parent / name).is_file():
                found += _lines(path.parent / name, frozenset())[0]
    sources = _table(_table(tool, "uv"), "sources")
    found = [_from_source(each, sources) for each in found]
    # Each of these tools installs the group "dev" unless it is asked not to.
    found += _texts(_table(content, "dependency-groups").get("dev"))
    found += _texts(_table(tool, "uv").get("dev-dependencies"))
    for lines in _table(_table(tool, "pdm"), "dev-dependencies").values():
        found += _texts(lines)
    poetry = _table(tool, "poetry")
    found += poetry_requirements(poetry)
    # Without a build system a project is no package, see docs.astral.sh/uv/concepts/projects.
    is_package = "build-system" in content and poetry.get("package-mode", True)
    return [*found, "."] if found and is_package else found


def _from_source(requirement: str, sources: Mapping[str, Any]) -> str:
    """Return a requirement with the source that uv installs it from, if it is not the index."""
    name = _NAME.match(requirement)
    source = sources.get(name[0]) if name else None
    if name is None or not isinstance(source, Mapping):
        return requirement
    if git := source.get("git"):
        reference = source.get("rev") or source.get("tag") or source.get("branch")
        return f"{name[0]} @ git+{git}" + (f"@{reference}" if reference else "")
    return str(source.get("path") or source.get("url") or requirement)


def _of_pipfile(path: Path) -> list[str]:
    content = read_toml(path)
    found = []
    for section in ("packages", "dev-packages"):
        for name, version in _table(content, section).items():
            text = version.get("version", "*") if isinstance(version, Mapping) else version
            found.append(name if text == "*" else f"{name}{text}")
    return found


def _of_setup_cfg(path: Path) -> list[str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        raise UsageError(f"{path}: not valid: {error}") from error
    lines = parser.get("options", "install_requires", fallback="").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _locked(path: Path) -> list[str]:
    """Return the locked versions as constraints; a package with several versions has none."""
    if not path.is_file():
        return []
    versions: dict[str, set[str]] = {}
    for name, version in _packages(path):
        versions.setdefault(name, set()).add(version)
    return [f"{name}=={min(each)}" for name, each in versions.items() if len(each) == 1]


def _packages(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix == ".toml" or path.name != "Pipfile.lock":
        content = read_toml(path)
        for package in content.get("packages" if path.name == "pylock.toml" else "package", []):
            if not isinstance(package, Mapping) or _is_local(package):
                continue
            if "name" in package and "version" in package:
                yield str(package["name"]), str(package["version"])
        return
    try:
        content = parse_json(read_text(path))
    except ValueError as error:
        raise UsageError(f"{path}: not valid JSON: {error}") from error
    for section in ("default", "develop"):
        for name, package in _table(content, section).items():
            if isinstance(package, Mapping) and str(package.get("version", "")).startswith("=="):
                yield name, str(package["version"])[2:]


def _is_local(package: Mapping[str, Any]) -> bool:
    """The project itself, or a package that is not from an index."""
    source = package.get("source")
    return isinstance(source, Mapping) and not {"registry", "reference"} & set(source)


def _table(content: object, name: str) -> Mapping[str, Any]:
    found = content.get(name) if isinstance(content, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _texts(values: object) -> list[str]:
    if isinstance(values, str):
        return [values]
    return (
        [each for each in values if isinstance(each, str)] if isinstance(values, Iterable) else []
    )
