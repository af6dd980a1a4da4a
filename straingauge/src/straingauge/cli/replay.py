# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge replay`: the requests of an access log as a load."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main
from straingauge.cli.param_types import MAX_USERS, FiniteFloat, WholeNumber
from straingauge.cli.run import run_and_exit
from straingauge.errors import UsageError

if TYPE_CHECKING:
    from straingauge.replay import LogSource


@main.command(epilog=EXIT_CODES, short_help="Send the requests of an access log.")
@click.argument("log", type=common_options.PATH)
@common_options.host
@click.option(
    "--speed",
    type=FiniteFloat(min=0, min_open=True),
    metavar="FACTOR",
    show_default="1",
    help="Factor of the log's speed: 2 sends it in half of its time.",
)
@click.option(
    "--rate",
    type=FiniteFloat(min=0, min_open=True),
    metavar="R",
    help="Requests per second, evenly, in place of the log's times.",
)
@click.option(
    "--from",
    "begin",
    metavar="WHEN",
    help="First time to replay: 10m (after the first request), 13:55 or 2026-10-10T13:55.",
)
@click.option("--to", "end", metavar="WHEN", help="Time before which the replay ends.")
@click.option(
    "--log-format",
    "pattern",
    metavar="REGEX",
    show_default="detected",
    help="Regular expression of the lines of another format, with named groups: request (or method"
    " and target), time, status, client, agent.",
)
@click.option("--writes", is_flag=True, help="Send all methods, not GET and HEAD only.")
@click.option(
    "--map",
    "change",
    metavar="FILE:FUNCTION",
    help="Python function that changes each request, or returns None to skip it.",
)
@click.option(
    "--max-users",
    type=WholeNumber(min=1, max=MAX_USERS),
    default=1000,
    show_default=True,
    metavar="N",
    help="Highest number of users; with more sessions at once, they share users.",
)
@common_options.processes
@common_options.database_url
@common_options.plans
@common_options.traceparent
@common_options.server_pid
@common_options.profile
@common_options.thresholds_from("none")
@common_options.abort_dead
@common_options.live
@common_options.export
@common_options.results_in("results/")
@common_options.name
@common_options.allow_hosts
@common_options.http
@common_options.as_json
@common_options.quiet
def replay(
    *,
    log: Path,
    host: str | None,
    processes: int,
    as_json: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401  each as click has checked it
) -> NoReturn:
    """Send the requests of an access log with the timing of the log.

    \b
      straingauge replay access.log --host http://localhost:8000
      straingauge replay access.log.1.gz --from 13:55 --to 14:10 --speed 2
      straingauge replay access.log --writes --map ids.py:renumber

    LOG is in the common or combined format (nginx, Apache), that of uvicorn, or has
    one JSON object a line; which one is detected, unless --log-format says so. Lines
    in another format are counted; if more than half are, nothing is sent.

    GET and HEAD requests are sent, with their queries; logs have no bodies, headers
    or cookies. The requests of one client address and user agent are a session: one
    user sends them, in their order, each at its time or, if the response before it
    comes later, after that; its waiting counts as response time. The result shows
    how far the replay was from the times of the log.

    Endpoints are named by method and path, with {id} for numbers and long ids.
    Expected are success, redirects, and a client error that the log has as well.
    """
    from straingauge.cli.replay_options import ReplayOptions
    from straingauge.cli.screen import Screen
    from straingauge.report.terminal import labelled

    source = _source(log, options)
    run_options = ReplayOptions(source=source, **options)
    screen = Screen(quiet=quiet)
    for label, text in run_options.recording.summary.text_lines():
        screen.say(labelled(label, text))
    run_and_exit(run_options, host, processes, screen, as_json=as_json)


def _source(log: Path, options: dict[str, Any]) -> "LogSource":
    """Return the log, and remove its options from the others."""
    from straingauge.replay import LogSource, LogTime, log_size

    speed, rate = options.pop("speed"), options.pop("rate")
    if speed is not None and rate is not None:
        raise UsageError("--speed and --rate both set when requests are sent")
    begin, end = options.pop("begin"), options.pop("end")
    return LogSource(
        path=log,
        size_bytes=log_size(log),
        speed=speed or 1.0,
        rate_per_s=rate,
        begin=None if begin is None else LogTime(begin),
        end=None if end is None else LogTime(end),
        writes=options.pop("writes"),
        most_users=options.pop("max_users"),
        pattern=options.pop("pattern"),
    )
