# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge serve`: a service with its database, until Ctrl-C."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import click

from straingauge.cli.group import EXIT_CODES, main

if TYPE_CHECKING:
    from straingauge.target import ServiceStack


@main.command(epilog=EXIT_CODES, short_help="Run a service with its database until Ctrl-C.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("straingauge.toml"),
    show_default=True,
    help="What to start; `pydoc straingauge.target.config` shows a whole file.",
)
@click.option("--port", type=int, help="Where the service listens; 0 takes any free port.")
@click.option("--app", help="What {app} stands for in the file, as MODULE:NAME.")
@click.option("--workers", type=click.IntRange(min=1), help="How many processes serve.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def serve(
    *,
    config: Path,
    port: int | None,
    app: str | None,
    workers: int | None,
    command: tuple[str, ...],
) -> None:
    """Runs a service with its database until Ctrl-C, or for as long as COMMAND runs.

    Starts PostgreSQL, runs the prepare steps and starts the service, and stops all of it again.
    With DATABASE_URL set it uses that database, and still runs the prepare steps. Once the
    service answers, one line on standard output says so:

    \b
      ready  http://127.0.0.1:8000  pid 4711  postgresql://...

    COMMAND is run beside the service, {url} in it is the service's address, and its exit code is
    ours; write it after two dashes:

    \b
      straingauge serve -- curl {url}/health
    """
    from straingauge.target import ServiceStack

    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` sets it to be ignored
    described = ServiceStack.from_file(config, app=app, workers=workers, port=port, say=_say)
    with described as running:
        click.echo(f"ready  {running.url}  pid {running.pid}  {_database(running)}")
        if command:
            sys.exit(running.call(command))
        running.wait()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """Ends the context of the stand, and with it everything it started."""
    sys.exit(0)


def _database(running: "ServiceStack") -> str:
    """The database's address; without its password when that is not of our making."""
    url = running.database_url
    if url is None:
        return "no database"
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password and running.database_given else url


def _say(line: str) -> None:
    click.echo(line, err=True)
