# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge capacity`: how much a service carries, and what gives first."""

import math
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.param_types import Duration, played
from straingauge.cli.run import install_signal_handlers
from straingauge.cli.screen import Screen
from straingauge.errors import CriticalVerdict, Interrupted, InvalidRun, UsageError

if TYPE_CHECKING:
    from straingauge.capacity import CapacityRun, Level
    from straingauge.cli.options import Prepared, RunOptions
    from straingauge.schedule import Schedule
    from straingauge.verdict import Thresholds

_FILE = click.Path(path_type=Path)
MOST_RATE = 1000.0
MOST_USERS = 200.0
CROWD = 100
# Where nobody demands anything else: half a second still keeps a person's mind on the matter, more
# than a second does not (Nielsen 1993), and one error in a hundred is a broken service.
DEMANDED = {
    "all": {
        "p95_ms": {"target": 250, "warning": 500, "critical": 1000},
        "error_rate_percent": {"target": 0, "warning": 0.5, "critical": 1},
    }
}


@main.command(epilog=EXIT_CODES, short_help="Find the greatest load a service carries.")
@played
@click.option("--host", metavar="URL", help="The service; if not said, as in straingauge run.")
@click.option("--users", "by_users", is_flag=True, help="Look for a number of users, not a rate.")
@click.option(
    "--from",
    "first",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LOAD",
    help="First level.",
)
@click.option(
    "--max",
    "most",
    type=click.FloatRange(min=0, min_open=True),
    metavar="LOAD",
    help="Never beyond.  [default: 1000 /s, 200 users]",
)
@click.option(
    "--precision",
    type=click.FloatRange(min=0.1, max=50),
    default=5.0,
    show_default=True,
    metavar="PERCENT",
    help="How near to the limit.",
)
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="Play what holds so often again.",
)
@click.option("--step", type=Duration(), default="10s", show_default=True, help="Of each level.")
@click.option("--warmup", type=Duration(), default="2s", show_default=True, help="Of each level.")
@click.option(
    "--until",
    type=click.Choice(["warning", "critical"]),
    default="warning",
    show_default=True,
    help="The grade from which on a level does not hold.",
)
@click.option(
    "--abort",
    type=click.FloatRange(min=0, min_open=True, max=100),
    metavar="PERCENT",
    help="Errors at which a level is ended at once.  [default: 20]",
)
@click.option("--crowd", type=click.IntRange(min=1), metavar="N", help="Users of a rate.")
@click.option("--timeout", type=Duration(), default="10s", show_default=True, help="Of a request.")
@click.option("--database-url", metavar="URL", help="As in straingauge run.")
@click.option("--server-pid", type=click.IntRange(min=1), metavar="PID", help="The same.")
@click.option("--thresholds", type=_FILE, metavar="TOML", help="Else thresholds.toml beside FILE.")
@click.option("--results", type=_FILE, metavar="DIR", help="Else results/ beside FILE.")
@click.option("--html", type=_FILE, metavar="PAGE", help="Write the charts as a page as well.")
@click.option("--name", help="Of the result file; else that of FILE.")
@click.option(
    "--allow-host", "allow_hosts", multiple=True, metavar="HOST", help="As in straingauge run."
)
def capacity(
    *,
    host: str | None,
    tags: str | None,
    by_users: bool,
    first: float | None,
    most: float | None,
    precision: float,
    confirm: int,
    step: float,
    warmup: float,
    until: Literal["warning", "critical"],
    abort: float | None,
    crowd: int | None,
    html: Path | None,
    **options: Any,  # noqa: ANN401  each as click has checked it
) -> None:
    """Finds the greatest arrival rate that keeps what is demanded, and says what gives first.

    \b
      straingauge capacity --get / --host http://localhost:8000
      straingauge capacity journeys.py --tags read --max 500 --html capacity.html
      straingauge capacity journeys.py --users --think 1-3s --max 300

    It doubles the load until a level does not hold, halves the distance until it is near enough,
    and plays what holds again to be sure of it. A level holds while no threshold is at warning
    (--until); without a thresholds.toml it is p95 below 500 ms and errors below 0.5 %. A level in
    which too many requests fail is ended at once, and nothing beyond --max is tried.

    It shows the knee, the diagnosis of the least level that did not hold, and a fit of the
    Universal Scalability Law. A service's rate limits belong switched off.
    """
    from straingauge.capacity import ABORT_PERCENT, CapacityRun, LevelRunner, LevelSearch
    from straingauge.cli.options import RunOptions, prepare
    from straingauge.http.address import resolve
    from straingauge.target.service_locator import ServiceLocator

    most = most or (MOST_USERS if by_users else MOST_RATE)
    first = min(first or (1.0 if by_users else 10.0), most)
    tagged = tuple(tag.strip() for tag in tags.split(",")) if tags else ()
    if by_users and crowd is not None:
        raise UsageError("--crowd is for a rate: --users looks for their number itself")
    if options["think"] is not None and not by_users:
        raise UsageError("--think is for users that come again: add --users")
    everybody = math.ceil(most) if by_users else crowd or CROWD
    settings = RunOptions(tags=tagged, users=everybody, duration=step, **options)
    prepared = prepare(settings)
    screen = Screen()
    address = ServiceLocator(host, screen.say, option="--host")
    if address.named:
        resolve(address.named, prepared.order.allowed_hosts)
    install_signal_handlers()
    started = datetime.now().astimezone()
    hunt = CapacityRun(LevelSearch(first, most, precision / 100, confirm, whole=by_users))
    unit = "users" if by_users else "/s"
    try:
        address.find(prepared.order.near)
        prober = LevelRunner(
            prepared.order,
            _schedule(settings, by_users=by_users),
            step,
            warmup,
            _demands(prepared),
            settings.run_name,
            until,
            address.find,
            address.database,
            abort or ABORT_PERCENT,
            by_users,
        )
        hunt.run(prober, _shown(screen, unit))
    finally:
        screen.clear()
        address.close()
    _conclude(hunt, settings, unit, started, html)


def _conclude(
    hunt: "CapacityRun", settings: "RunOptions", unit: str, started: datetime, html: Path | None
) -> None:
    """Write and show what was found; raises what the exit code asks for."""
    from straingauge.capacity import chart, document, page, summary, write_document
    from straingauge.result import NotWritten
    from straingauge.result.histograms import export_to

    asked = asdict(settings)
    found = document(
        hunt,
        name=settings.run_name,
        unit=unit,
        started=started,
        configuration={
            "file": settings.file.name if settings.file else None,
            "get_paths": asked["gets"],
            **{name: asked[name] for name in ("journeys", "tags")},
            **{f"{name}_s": asked[name] for name in ("think", "duration", "timeout")},
            "max_level": hunt.search.maximum,
        },
        near=settings.near.parent,
    )
    click.echo(chart(found), nl=False)
    click.echo(summary(found), nl=False)
    problem: NotWritten | None = None
    try:
        folder = (settings.results or settings.near.with_name("results")).resolve()
        click.echo(f"result   {write_document(found, folder)}")
        if html is not None:
            click.echo(f"page     {export_to(html, [page(found)])}")
    except NotWritten as error:
        problem = error
    if hunt.error is not None:
        raise hunt.error
    if hunt.ended == "interrupted":
        raise Interrupted(f"interrupted after {len(hunt.levels)} levels")
    if hunt.ended is not None:
        raise InvalidRun(f"the search could not go on: {hunt.ended}")
    if problem is not None:
        raise problem
    if hunt.capacity is None:
        raise CriticalVerdict("the service does not hold even the lowest level")


def _schedule(settings: "RunOptions", *, by_users: bool) -> "Callable[[float, float], Schedule]":
    """The schedule of a level, for so many seconds."""
    from straingauge.schedule import constant, constant_users

    if by_users:
        return lambda level, duration_s: constant_users(
            count=int(level), duration_s=duration_s, think_s=settings.think or 0.0
        )
    return lambda level, duration_s: constant(rate_per_s=level, duration_s=duration_s)


def _demands(prepared: "Prepared") -> "Thresholds":
    from straingauge.verdict import Thresholds

    demanded = prepared.thresholds
    if demanded.for_run(prepared.settings.run_name) or demanded.endpoints:
        return demanded
    return Thresholds.parse(DEMANDED, source="straingauge capacity")


def _shown(screen: Screen, unit: str) -> "Callable[[Level], None]":
    from straingauge.capacity import level_line

    return lambda level: screen.say(level_line(level.as_dict(), unit))
