# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge doctor`: checks before a load test."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.param_types import MAX_USERS, WholeNumber
from straingauge.cli.screen import standard_output

_CHECK: Final = 13  # columns of the name of a check
_INDENT: Final = 8 + 2 + _CHECK + 1  # of its message

if TYPE_CHECKING:
    from straingauge.cli.options import RunOptions
    from straingauge.doctor import CheckContext, CheckResult
    from straingauge.http.settings import HttpSettings


@main.command(epilog=EXIT_CODES, short_help="Check that a load test can run.")
@click.argument("file", required=False, type=common_options.PATH)
@common_options.host
@click.option(
    "--users",
    type=WholeNumber(min=1, max=MAX_USERS),
    show_default="100, or those of the scenarios",
    metavar="N",
    help="Number of users of the planned load; each has a connection.",
)
@common_options.database_url
@common_options.server_pid
@common_options.results
@common_options.allow_hosts
@common_options.http
@common_options.as_json
def doctor(
    *,
    file: Path | None,
    host: str | None,
    users: int | None,
    database_url: str | None,
    server_pid: int | None,
    results: Path | None,
    allow_hosts: tuple[str, ...],
    as_json: bool,
    http: "HttpSettings",
) -> None:
    """Check that a load test can run, and advise how to fix what prevents it.

    \b
      straingauge doctor journeys.py --users 500 --host http://localhost:8000

    Checks the service, its debug settings, its connection pool against the
    limit of PostgreSQL, file descriptors, disk, memory, and other load on this
    machine. With FILE, two users log in, and the first runs each journey once,
    writes included. No service is started.

    Settings of a service are read from FILE and the nearest straingauge.toml.
    The exit code is 3 if a check finds a problem; warnings leave it 0.
    """
    from straingauge.cli.options import RunOptions
    from straingauge.doctor import exit_code, run_checks
    from straingauge.redaction import redact

    options = RunOptions(
        file=file,
        gets=() if file else ("/",),
        users=users,
        default_users=100,
        results=results,
        allow_hosts=allow_hosts,
        database_url=database_url,
        server_pid=server_pid,
        http=http,
    )
    found = []
    for result in run_checks(_context(options, host)):
        found.append(replace(result, message=redact(result.message)))
        if not as_json:
            _show(found[-1])
    if as_json:
        click.echo(json.dumps([asdict(result) for result in found], indent=2))
    else:
        click.echo(_summary(found))
    sys.exit(exit_code(found))


def _context(options: "RunOptions", host: str | None) -> "CheckContext":
    """Collect what the checks need to know."""
    from straingauge.cli.options import load_spec
    from straingauge.doctor import CheckContext
    from straingauge.http.address import resolve
    from straingauge.target.config import StackConfig
    from straingauge.target.service_locator import DEFAULT_URL, find_stack, refused

    spec = load_spec(options)
    url = (host or os.environ.get("API_BASE_URL") or DEFAULT_URL).rstrip("/")
    resolve(url, spec.allowed_hosts, spec.http)
    description = find_stack(options.test_file)
    return CheckContext(
        url=url,
        answers=refused(url, spec.http) is None,
        http=spec.http,
        spec=spec if options.file else None,
        stack=StackConfig.from_file(description) if description else None,
        names=spec.metric_names,
        database_url=options.database_url or os.environ.get("DATABASE_URL"),
        server_pid=options.server_pid,
        users=len(spec.users),
        results=options.results_dir,
    )


def _show(result: "CheckResult") -> None:
    from rich.text import Text

    from straingauge.report.grades import look
    from straingauge.report.terminal import labelled, render

    line = Text(f"{result.state:<8}", style=look(result.state).style)
    line.append(f"  {labelled(result.check, result.message, _CHECK)}", style="default")
    advice = [f"{'':{_INDENT}}-> {result.advice}"] if result.advice else []
    click.echo(render([line, *advice], **standard_output(), indent=_INDENT), nl=False)


def _summary(results: "Sequence[CheckResult]") -> str:
    from straingauge.number_text import count

    states = [result.state for result in results]
    problems, warnings = states.count("problem"), states.count("warning")
    if problems:
        return f"Not ready ({count(problems, 'problem')})"
    return f"Ready ({count(warnings, 'warning')})" if warnings else "Ready"
