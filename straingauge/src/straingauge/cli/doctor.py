# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge doctor`: is all ready for a load test?"""

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from straingauge.cli.group import EXIT_CODES, main

if TYPE_CHECKING:
    from straingauge.cli.options import Prepared
    from straingauge.doctor import CheckContext, CheckResult

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red", "not seen": "cyan"}


@main.command(epilog=EXIT_CODES, short_help="Look whether all is ready for a load test.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--host", metavar="URL", help="The service; else API_BASE_URL, else port 8000 here.")
@click.option(
    "--users",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    metavar="N",
    help="How many there are to be: each has a connection.",
)
@click.option("--database-url", metavar="URL", help="Its PostgreSQL.  [default: DATABASE_URL]")
@click.option(
    "--server-pid",
    type=click.IntRange(min=1),
    metavar="PID",
    help="The service's topmost process, where its port does not tell.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where result files will go; else results/ beside FILE.",
)
@click.option(
    "--allow-host",
    "allow_hosts",
    multiple=True,
    metavar="HOST",
    help="May be asked though it is not this machine; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON array of what was found instead.")
def doctor(
    *,
    file: Path | None,
    host: str | None,
    users: int,
    database_url: str | None,
    server_pid: int | None,
    results: Path | None,
    allow_hosts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Looks whether all is ready for a load test, and says what to do where it is not.

    \b
      straingauge doctor --host http://localhost:8000
      straingauge doctor journeys.py --users 500

    The service answers and is not being debugged; its pool fits into PostgreSQL's connections; file
    descriptors, disk and memory suffice; nobody else uses the machine. With FILE, as for
    `straingauge run`: two users log in, and the first plays each journey once, writes included.

    What is special to a service comes from FILE and from the nearest straingauge.toml. Nothing is
    started. The exit code is 3 where a line is a problem; warnings leave it 0.
    """
    from straingauge.cli.options import RunOptions, prepare
    from straingauge.doctor import checks, exit_code

    prepared = prepare(
        RunOptions(
            file=file,
            gets=() if file else ("/",),
            users=users,
            results=results,
            allow_hosts=allow_hosts,
            database_url=database_url,
            server_pid=server_pid,
        )
    )
    found = []
    for line in checks.run_checks(_patient(prepared, host)):
        found.append(line)
        if not as_json:
            _show(line)
    if as_json:
        click.echo(json.dumps([asdict(line) for line in found], indent=2))
    else:
        click.echo(_counted(found))
    sys.exit(exit_code(found))


def _patient(prepared: "Prepared", host: str | None) -> "CheckContext":
    """Where and what is to be looked at."""
    from straingauge.doctor import CheckContext
    from straingauge.http.address import resolve
    from straingauge.target.config import StackConfig
    from straingauge.target.service_locator import STAND_FILE, USUAL, find_upwards, refused

    settings, order = prepared.settings, prepared.order
    url = (host or os.environ.get("API_BASE_URL") or USUAL).rstrip("/")
    resolve(url, order.allowed_hosts)
    description = find_upwards(settings.near, STAND_FILE)
    return CheckContext(
        url=url,
        answers=refused(url) is None,
        order=order if settings.file else None,
        stand=StackConfig.from_file(description) if description else None,
        names=order.names,
        database_url=settings.database_url or os.environ.get("DATABASE_URL"),
        server_pid=settings.server_pid,
        users=len(order.crowd),
        results=(settings.results or settings.near.with_name("results")).resolve(),
    )


def _show(line: "CheckResult") -> None:
    state = click.style(f"{line.state:<8}", fg=_STYLES[line.state])
    click.echo(f"{state}  {line.check:<12}  {line.message}")
    if line.advice:
        click.echo(f"{'':<8}  {'':<12}  -> {line.advice}")


def _counted(lines: "Iterable[CheckResult]") -> str:
    states = [line.state for line in lines]
    problems, warnings = states.count("problem"), states.count("warning")
    if problems:
        return f"not ready: {problems} to be mended first"
    return f"ready, with {warnings} to know of" if warnings else "ready"
