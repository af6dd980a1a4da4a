"""Journey files: the journeys that users run.

A journey file is a Python file that defines:

    mix                  the journeys with their weights, made by `straingauge.mix`
    @tagged functions    without a mix: these, each with weight 1
    generator functions  without either: all public ones of the file
    account(index)       the data of the user with this index (optional)
    log_in               a journey that each user runs once before the load (optional)
    verify               a journey that each user runs once after the load (optional)
    tear_down            a journey that each user runs once at the end, also after Ctrl-C, to remove
                         what it has created (optional)
    scenarios            a list of scenarios, made by `straingauge.scenario`; they are run in
                         place of all of this if no journey is selected (optional)
    endpoints            the names of all endpoints that its journeys call (optional);
                         thresholds.toml is checked against them before anything is sent
"""

import ast
import difflib
import importlib.util
import inspect
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from straingauge.errors import StraingaugeError, UsageError
from straingauge.http import Response
from straingauge.journey import Journey, Mix, Scenario, Step, User, mix
from straingauge.journey.mix import tags_of
from straingauge.journey.scenario import all_journeys, require_distinct

SPECIAL = ("account", "log_in", "verify", "tear_down")


@dataclass(frozen=True, slots=True)
class JourneyFile:
    """The journeys that users run.

    Attributes:
        journeys: The journeys with their weights.
        account: Returns the data of a user, by its index.
        log_in: Journey that each user runs once before the load.
        verify: Journey that each user runs once after the load.
        tear_down: Journey that each user runs once at the end.
        endpoints: Names of all endpoints that the journeys call; empty if not known.
        scenarios: Scenarios of the file, which run in place of the journeys.
    """

    journeys: Mix
    account: Callable[[int], Mapping[str, Any]] | None = None
    log_in: Journey | None = None
    verify: Journey | None = None
    tear_down: Journey | None = None
    endpoints: Sequence[str] = field(default=())
    scenarios: tuple[Scenario, ...] = ()


def from_paths(paths: Sequence[str]) -> JourneyFile:
    """Make a journey file of GET requests, one path for each.

    Raises:
        UsageError: A path is invalid.
    """
    for path in paths:
        if not path.startswith("/"):
            raise UsageError(f'--get {path!r}: a path begins with "/"', hint="--get /health")
    endpoints = [f"GET {path.partition('#')[0].partition('?')[0]}" for path in paths]
    counts = Counter(paths)  # a path that is named twice is requested twice as often
    weights = ((_getting(path), count) for path, count in counts.items())
    return JourneyFile(mix(*weights), endpoints=endpoints)


def from_file(
    path: Path,
    journeys: Sequence[str] = (),
    tags: Sequence[str] = (),
    *,
    load: Callable[[Path], ModuleType] | None = None,
) -> JourneyFile:
    """Load a journey file.

    Args:
        path: The file.
        journeys: Names of the journeys to select, each as NAME or NAME=WEIGHT.
        tags: Select journeys with one of these tags.
        load: Imports the file; by default `load_module`.

    Raises:
        UsageError: It cannot be read or run, or has no such journeys.
    """
    module = (load or load_module)(path)
    generators = {
        name: value
        for name, value in vars(module).items()
        if inspect.isgeneratorfunction(value) and name not in SPECIAL
    }
    scenarios = () if journeys or tags else _scenarios(module, path)
    if scenarios:
        chosen = all_journeys(scenarios)
    else:
        chosen = _named(journeys, generators, path) if journeys else _all(module, generators, path)
    names = {name: getattr(module, name, None) for name in SPECIAL}
    for name, value in names.items():
        if value is not None and not callable(value):
            raise UsageError(f"{path}: {name} must be a function, not {value!r}")
    return JourneyFile(
        _tagged(chosen, tags) if tags else chosen,
        account=names["account"],
        log_in=names["log_in"],
        verify=names["verify"],
        tear_down=names["tear_down"],
        endpoints=_endpoints(module, path),
        scenarios=scenarios,
    )


def load_module(path: Path) -> ModuleType:
    """Import the file like `python FILE`, so that modules next to it can be imported."""
    if not path.is_file():
        raise UsageError(f"{path}: there is no such file", hint="name a Python file with journeys")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = path.stem if path.stem not in sys.modules else f"straingauge_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: not a Python file", hint="name a file that ends in .py")
    _require_unique_names(path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{error.filename}, line {error.lineno}"
        raise UsageError(f"{where}: {error.msg}: {(error.text or '').strip()}") from error
    except StraingaugeError:
        raise
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise UsageError(
            f"{path} cannot be run: {type(error).__name__}: {error} "
            f"({last.filename}, line {last.lineno})"
        ) from error
    return module


def _require_unique_names(path: Path) -> None:
    """Refuse a second function of one name, which Python would silently put in place of the first.

    Raises:
        UsageError: There is one.
    """
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):  # the import says where
        return
    first: dict[str, ast.FunctionDef] = {}
    for each in body:
        if not isinstance(each, ast.FunctionDef) or each.name.startswith("_"):
            continue
        if each.name in first and not _is_used(each.name, body, first[each.name], each):
            raise UsageError(
                f"{path}, line {each.lineno}: a second function {each.name}; the first is in line"
                f" {first[each.name].lineno}, and would never run",
                hint="rename one of them",
            )
        first[each.name] = each


def _is_used(name: str, body: list[ast.stmt], first: ast.stmt, second: ast.stmt) -> bool:
    """Return whether the code from the first function up to the second one uses its name."""
    between = body[body.index(first) + 1 : body.index(second)]
    decorators = second.decorator_list if isinstance(second, ast.FunctionDef) else []
    return any(
        isinstance(node, ast.Name) and node.id == name
        for part in (*between, *decorators)
        for node in ast.walk(part)
    )


def _all(module: ModuleType, generators: Mapping[str, Journey], path: Path) -> Mix:
    made = getattr(module, "mix", None)
    if isinstance(made, Mix):
        return made
    own = [
        journey
        for name, journey in generators.items()
        if not name.startswith("_") and journey.__module__ == module.__name__
    ]
    found = [journey for journey in generators.values() if tags_of(journey)] or own
    if not found:
        raise UsageError(
            f"{path}: there is no journey in it",
            hint='a journey is a generator function of a user: def look(user): yield user.get("/")',
        )
    return mix(*found)


def _named(wanted: Iterable[str], generators: Mapping[str, Journey], path: Path) -> Mix:
    weights: dict[str, int] = {}
    for each in wanted:
        name, _, weight = each.partition("=")
        if name not in generators:
            close = difflib.get_close_matches(name, generators, n=1)
            raise UsageError(
                f"{path}: there is no journey {name!r} in it",
                hint=f"did you mean {close[0]}?"
                if close
                else f"there are: {', '.join(generators) or 'none'}",
            )
        if weight and not (weight.isdecimal() and int(weight)):
            raise UsageError(f"--journey {each}: a weight is a whole number, 1 or more")
        if name in weights:
            raise UsageError(
                f"--journey {each}: {name} is selected twice", hint=f"--journey {name}=2"
            )
        weights[name] = int(weight or 1)
    return mix(*((generators[name], weight) for name, weight in weights.items()))


def _tagged(journeys: Mix, tags: Sequence[str]) -> Mix:
    """Select journeys by tags; each tag must exist, since it may be misspelt."""
    for tag in tags:
        journeys.tagged(tag)
    return journeys.tagged(*tags)


def _scenarios(module: ModuleType, path: Path) -> tuple[Scenario, ...]:
    found = getattr(module, "scenarios", None)
    if not isinstance(found, list | tuple):  # another thing of this name
        return ()
    try:
        require_distinct(found)
    except UsageError as error:
        raise UsageError(f"{path}: scenarios: {error}", hint=error.hint) from error
    return tuple(found)


def _endpoints(module: ModuleType, path: Path) -> Sequence[str]:
    found = getattr(module, "endpoints", ())
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise UsageError(f"{path}: endpoints must be a list of names, such as GET /health")
    return found


def _getting(path: str) -> Journey:
    def get(user: User) -> Generator[Step, Response, None]:
        yield user.get(path)

    get.__name__ = f"GET {path}"
    return get
