# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge capacity`: the highest load that passes the thresholds."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.param_types import (
    MAX_USERS,
    Duration,
    FiniteFloat,
    WholeNumber,
    journey_options,
)
from straingauge.cli.run import install_signal_handlers
from straingauge.cli.screen import Screen, standard_output
from straingauge.errors import CriticalVerdict, Interrupted, InvalidRun, UsageError
from straingauge.number_text import count

if TYPE_CHECKING:
    from straingauge.capacity import Level, UnfinishedSearch
    from straingauge.cli.options import RunOptions
    from straingauge.runner import LoadSpec
    from straingauge.schedule import Schedule
    from straingauge.verdict import Thresholds

MOST_RATE: Final = 1000.0
MOST_USERS: Final = 200.0
DEFAULT_TIMEOUT_S: Final = 10.0
RATE_USERS: Final = 100  # users of a rate
# Thresholds for services that have none. A response within 0.5 s keeps a person's attention, one
# after more than 1 s does not (Nielsen 1993).
THRESHOLDS: Final = {
    "all": {
        "p95_ms": {"target": 250, "warning": 500, "critical": 1000},
        "error_rate_percent": {"target": 0, "warning": 0.5, "critical": 1},
    }
}


@main.command(epilog=EXIT_CODES, short_help="Find the highest load that passes the thresholds.")
@journey_options
@common_options.host
@common_options.refuse_schedule
@click.option("--by-users", is_flag=True, help="Search for a number of users, not a rate.")
@click.option(
    "--min",
    "first",
    type=FiniteFloat(min=0, min_open=True),
    metavar="LOAD",
    show_default="10/s, or 1 user",
    help="First level, the lowest.",
)
@click.option(
    "--max",
    "most",
    type=FiniteFloat(min=0, min_open=True),
    metavar="LOAD",
    show_default="1000/s, or 200 users",
    help="Highest level.",
)
@click.option(
    "--precision",
    type=FiniteFloat(min=0.1, max=50),
    default=5,
    show_default=True,
    metavar="PERCENT",
    help="Largest distance between the capacity and a level that fails.",
)
@click.option(
    "--confirmations",
    type=WholeNumber(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="Number of times the capacity is confirmed.",
)
@click.option(
    "--step", type=Duration(), default="10s", show_default=True, help="Duration of each level."
)
@common_options.warmup("2s", "Warm-up of each level.")
@click.option(
    "--fail-at",
    type=click.Choice(["warning", "critical"]),
    default="warning",
    show_default=True,
    help="Grade at which a level fails.",
)
@click.option(
    "--abort",
    "abort_percent",
    type=FiniteFloat(min=0, min_open=True, max=100),
    default=20,
    show_default=True,
    metavar="PERCENT",
    help="Error rate at which a level is aborted.",
)
@click.option(
    "--max-users",
    type=WholeNumber(min=1, max=MAX_USERS),
    metavar="N",
    show_default=str(RATE_USERS),
    help="Number of users that send a rate.",
)
@common_options.database_url
@common_options.restore_database
@common_options.server_pid
@common_options.thresholds
@common_options.results
@common_options.page
@common_options.name
@common_options.allow_hosts
@common_options.http
@common_options.as_json
@common_options.quiet
def capacity(
    *,
    host: str | None,
    by_users: bool,
    first: float | None,
    most: float | None,
    precision: float,
    confirmations: int,
    step: float,
    warmup: float,
    fail_at: Literal["warning", "critical"],
    abort_percent: float,
    max_users: int | None,
    output: Path | None,
    restore_database: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401  each as click has checked it
) -> None:
    """Find the highest load that passes the thresholds, and what limits it.

    \b
      straingauge capacity journeys.py --tags read --max 500 -o capacity.html
      straingauge capacity journeys.py --by-users --think 1-3s --max 300

    The load doubles until a level fails. A bisection then narrows the limit
    down to --precision, and the highest level that passed is confirmed. A level
    passes if no threshold is at --fail-at; without a threshold file, p95 must
    stay below 500 ms and errors below 0.5 %.

    The report shows the knee, the diagnosis of the lowest level that failed,
    and a fit of the Universal Scalability Law (USL). Turn off rate limits of
    the service.
    """
    from straingauge.capacity import CapacityRun, LevelRunner, LevelSearch, UnfinishedSearch
    from straingauge.cli.options import RunOptions, load_spec
    from straingauge.http.address import resolve
    from straingauge.result.format.write import require_writable
    from straingauge.target.service_locator import ServiceLocator
    from straingauge.workers.standby import Standby

    most = most or (MOST_USERS if by_users else MOST_RATE)
    if first is not None and first > most:
        raise UsageError(f"--min {first:g} is more than --max {most:g}", hint="lower --min")
    first = min(first or (1.0 if by_users else 10.0), most)
    if by_users and max_users is not None:
        raise UsageError("--max-users is for a rate; --by-users searches for the number of users")
    if options["think"] is not None and not by_users:
        raise UsageError("--think needs a number of users", hint="add --by-users")
    users = math.ceil(most) if by_users else max_users or RATE_USERS
    settings = RunOptions(
        users=users,
        duration=step,
        default_timeout_s=DEFAULT_TIMEOUT_S,
        load_set_by="capacity",
        **options,
    )
    settings.require_resources()
    if output is not None:
        require_writable(output.parent, option="-o PAGE")
    spec = load_spec(settings)
    screen = Screen(quiet=quiet)
    address = ServiceLocator(
        host, screen.say, option="--host", http=lambda: spec.http, restore=restore_database
    )
    if address.named:
        resolve(address.named, spec.allowed_hosts, spec.http)
    install_signal_handlers()
    started = datetime.now().astimezone()
    search = LevelSearch(first, most, precision / 100, confirmations, whole=by_users)
    capacity_run = CapacityRun(search)
    unfinished = UnfinishedSearch(
        capacity_run,
        name=settings.run_name,
        unit="users" if by_users else "/s",
        started=started,
        configuration=_configuration(settings, search.maximum),
        near=settings.test_file.parent,
        folder=settings.results_dir,
    )
    with Standby() as standby:
        try:
            address.find(spec.test_file)
            run_level = LevelRunner(
                spec,
                _schedule(settings, by_users=by_users),
                step,
                warmup,
                _thresholds(spec),
                fail_at,
                address.find,
                address.started,
                abort_percent,
                by_users,
                before_load=address.begin_load,
            )
            capacity_run.run(
                run_level,
                _printer(screen, unfinished.unit),
                lambda level: standby.watch(unfinished.at_level(level, time.monotonic_ns())),
            )
        finally:
            screen.clear()
            address.close()
        _conclude(unfinished, output, standby.discard, as_json=as_json)


def _configuration(settings: "RunOptions", maximum: float) -> dict[str, Any]:
    fields = asdict(settings)
    return {
        "file": settings.file.name if settings.file else None,
        "get_paths": fields["gets"],
        **{name: fields[name] for name in ("journeys", "tags")},
        **{f"{name}_s": fields[name] for name in ("think", "duration")},
        "timeout_s": settings.timeout_s,
        "max_level": maximum,
    }


def _conclude(
    search: "UnfinishedSearch",
    output: Path | None,
    on_written: Callable[[], None],
    *,
    as_json: bool,
) -> None:
    """Print and write the outcome; raise the error that its exit code belongs to."""
    from straingauge.capacity import document, page, write_document
    from straingauge.report.terminal import labelled
    from straingauge.result.format import WriteError
    from straingauge.result.format.write import json_text, write_lines

    capacity_run = search.capacity_run
    found = document(
        capacity_run,
        name=search.name,
        unit=search.unit,
        started=search.started,
        configuration=search.configuration,
        near=search.near,
    )
    click.echo(json_text(found) if as_json else search_text(found), nl=False)
    problem: WriteError | None = None
    try:
        click.echo(labelled("result", write_document(found, search.folder)), err=as_json)
        on_written()
        if output is not None:
            page_line = labelled("page", write_lines(output, [page(found)], option="-o"))
            click.echo(page_line, err=as_json)
    except WriteError as error:
        problem = error
        on_written()
    if capacity_run.error is not None:
        raise capacity_run.error
    if capacity_run.ended == "interrupted":
        raise Interrupted(f"interrupted after {count(len(capacity_run.levels), 'level')}")
    if capacity_run.ended is not None:
        raise InvalidRun(f"the search stopped: {capacity_run.ended}")
    if problem is not None:
        raise problem
    if capacity_run.capacity is None:
        raise CriticalVerdict("the service fails at the lowest level")


def search_text(found: Mapping[str, Any]) -> str:
    """Return a search as it is printed: a chart of its levels, and a summary."""
    from straingauge.capacity import chart, summary

    output = standard_output()
    width = output["width"]
    return chart(found, width) + summary(found, width if output["wrap"] else None)


def _schedule(settings: "RunOptions", *, by_users: bool) -> "Callable[[float, float], Schedule]":
    """Make the schedule of a level from its load and its duration in seconds."""
    from straingauge.schedule import constant, constant_users

    if by_users:
        return lambda level, duration_s: constant_users(
            count=int(level), duration_s=duration_s, think_s=settings.think or 0.0
        )
    return lambda level, duration_s: constant(rate_per_s=level, duration_s=duration_s)


def _thresholds(spec: "LoadSpec") -> "Thresholds":
    """The user's thresholds, or `THRESHOLDS` if there are none."""
    from straingauge.verdict import Thresholds

    given = spec.thresholds
    if given.for_run(spec.name) or given.endpoints:
        return given
    return Thresholds.parse(THRESHOLDS, source="straingauge capacity")


def _printer(screen: Screen, unit: str) -> "Callable[[Level], None]":
    from straingauge.capacity import level_line

    return lambda level: screen.say(level_line(level.as_dict(), unit))
