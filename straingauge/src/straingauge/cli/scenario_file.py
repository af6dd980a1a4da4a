"""Scenario files: several scenarios of one load, as TOML.

A scenario file is a TOML file with a table for each scenario; straingauge.toml may have them, too:

    [[scenario]]
    name = "browse"
    file = "journeys.py"        # with journeys; relative to this file. Or get = ["/health"]
    journeys = ["listing=3", "detail"]
    stages = ["30s:100", "2m:100"]
    think = "1-3s"
    tags = ["read"]

    [[scenario]]
    name = "order"
    file = "journeys.py"
    journeys = ["order"]
    rate = 5
    duration = "2m"
    start = "30s"

`journeys`, `users`, `rate`, `poisson`, `stages`, `duration` and `think` mean what the options of
`straingauge run` do, and `journey_tags` what --tags does. `start` is the delay of a scenario's
start, `tags` are labels under which scenarios are added up in the result. A scenario without
`users`, `rate` and `stages` gets its part of the load that --users or --rate gives, by its
`weight` (1 by default).
"""

import difflib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from straingauge.cli.journey_file import JourneyFile, from_file, from_paths, load_module
from straingauge.cli.scenario_settings import OWN_LOAD, SETTINGS
from straingauge.errors import UsageError
from straingauge.http import Response
from straingauge.journey import Journey, Scenario, Step, User
from straingauge.journey.scenario import all_journeys, require_distinct
from straingauge.number_text import count
from straingauge.text_file import read_toml

if TYPE_CHECKING:
    from straingauge.cli.options import RunOptions


_OPTIONS: Final = {"get": "gets", "journey_tags": "tags"}  # where RunOptions has other names
_NO_OPTIONS: Final = ("name", "start", "weight", "tags")


@dataclass(frozen=True, slots=True)
class _Table:
    """One [[scenario]]: where it stands, and its values."""

    where: str
    values: Mapping[str, Any]

    @property
    def has_own_load(self) -> bool:
        return any(name in self.values for name in OWN_LOAD)


def from_scenario_file(path: Path, options: "RunOptions") -> JourneyFile:
    """Load a scenario file.

    Args:
        path: The file.
        options: The options of the load, of which scenarios without a load get their part.

    Raises:
        UsageError: It cannot be read, or a value is missing, unknown or invalid.
    """
    tables = read_tables(path)
    shared = _shared_load([each for each in tables if not each.has_own_load], options, path)
    load = cache(load_module)  # so that the scenarios of a file share what it defines
    scenarios, contents = [], []
    for table in tables:
        try:
            own = _run_options(table, shared, options)
            content = (
                from_paths(own.gets)
                if own.file is None
                else from_file(path.parent / own.file, own.journeys, own.tags, load=load)
            )
            scenarios.append(
                Scenario(
                    table.values["name"],
                    content.journeys,
                    own.schedule(),
                    own.user_count,
                    table.values.get("start", 0.0),
                    table.values.get("tags", ()),
                )
            )
        except UsageError as error:
            raise UsageError(f"{table.where}: {error}", hint=error.hint) from error
        contents.append(content)
    require_distinct(scenarios)
    return _combined(scenarios, contents)


def read_tables(path: Path) -> list[_Table]:
    """Read the tables of a scenario file, and check each of them.

    Raises:
        UsageError: The file cannot be read, or a value is missing, unknown or invalid.
    """
    listed = read_toml(path, hint="name a file with [[scenario]] tables").get("scenario")
    if not isinstance(listed, list) or not listed:
        raise UsageError(
            f"{path}: there is no [[scenario]] in it",
            hint="see pydoc straingauge.cli.scenario_file, or name a Python file with journeys",
        )
    return [_table(each, f"{path}, [[scenario]] {n}") for n, each in enumerate(listed, 1)]


def _table(values: object, where: str) -> _Table:
    """Check the values of a table.

    Raises:
        UsageError: One is missing, unknown or invalid.
    """
    if not isinstance(values, dict):
        raise UsageError(f"{where} must be a table")
    found = {}
    for key, value in values.items():
        if key not in SETTINGS:
            close = difflib.get_close_matches(key, SETTINGS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known keys: {', '.join(SETTINGS)}"
            raise UsageError(f"{where} has the unknown key {key}", hint=hint)
        try:
            found[key] = SETTINGS[key].type(value)
        except (TypeError, click.BadParameter) as error:
            message = error.message if isinstance(error, click.BadParameter) else f"{error}"
            raise UsageError(f"{where}: {key}: {message}") from error
    if "name" not in found:
        raise UsageError(f"{where} has no name", hint='name = "browse"')
    table = _Table(f"{where} ({found['name']})", found)
    if table.has_own_load and "weight" in found:
        raise UsageError(f"{table.where}: weight is for a scenario without users, rate and stages")
    return table


def _shared_load(
    tables: Sequence[_Table], options: "RunOptions", path: Path
) -> Mapping[str, Mapping[str, Any]]:
    """Return the part of --users or --rate of each scenario without its own load, by name.

    Raises:
        UsageError: All scenarios have their own, stages are to be shared, or there are fewer users
            than scenarios.
    """
    given = {"--users": options.users, "--rate": options.rate, "--stage": options.stages or None}
    named = next((name for name, value in given.items() if value is not None), None)
    if not tables:
        if named is not None:
            raise UsageError(f"{named}: the scenarios of {path} have their own load")
        return {}
    if options.stages:
        raise UsageError(
            "--stage cannot be shared by scenarios", hint="write stages in their tables"
        )
    weights = [each.values.get("weight", 1) for each in tables]
    total = sum(weights)
    if options.rate is not None:
        parts: list[dict[str, Any]] = [{"rate": options.rate * each / total} for each in weights]
    else:
        users = options.user_count
        ends = [round(users * each / total) for each in accumulate(weights)]
        counts = [end - begin for begin, end in zip([0, *ends], ends, strict=False)]
        if min(counts) < 1:
            raise UsageError(
                f"{count(users, 'user is', 'users are')} too few for"
                f" {count(len(tables), 'scenario')} with these weights",
                hint="--users N",
            )
        parts = [{"users": each} for each in counts]
    return {each.values["name"]: part for each, part in zip(tables, parts, strict=True)}


def _run_options(
    table: _Table, shared: Mapping[str, Mapping[str, Any]], options: "RunOptions"
) -> "RunOptions":
    """Return the options of `straingauge run` that say the same as a table."""
    own = {_OPTIONS.get(k, k): v for k, v in table.values.items() if k not in _NO_OPTIONS}
    if not table.has_own_load:
        own = {"duration": options.duration, "think": options.think, **own}
        own |= shared[table.values["name"]]
    return type(options)(**own)


def _combined(scenarios: Sequence[Scenario], contents: Sequence[JourneyFile]) -> JourneyFile:
    """Return one journey file, in which each user has the account and log-in of its scenario."""
    ends = list(accumulate(each.users for each in scenarios))

    def content_of(index: int) -> JourneyFile:
        return contents[next((n for n, end in enumerate(ends) if index < end), -1)]

    def account(index: int) -> Mapping[str, Any]:
        own = content_of(index).account
        return own(index) if own is not None else {}

    def for_all(role: str) -> Journey | None:
        if all(getattr(each, role) is None for each in contents):
            return None

        def journey(user: User) -> Generator[Step, Response, None]:
            own: Journey | None = getattr(content_of(user.index), role)
            if own is not None:
                yield from own(user)

        journey.__name__ = role
        return journey

    known = all(each.endpoints for each in contents)
    return JourneyFile(
        all_journeys(scenarios),
        account=account,
        log_in=for_all("log_in"),
        verify=for_all("verify"),
        tear_down=for_all("tear_down"),
        endpoints=[name for each in contents for name in each.endpoints] if known else (),
        scenarios=tuple(scenarios),
    )
