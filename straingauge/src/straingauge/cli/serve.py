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
from straingauge.cli.param_types import WholeNumber
from straingauge.errors import Interrupted

if TYPE_CHECKING:
    from straingauge.target import ServiceStack


@main.command(epilog=EXIT_CODES, short_help="Run a service with its database until Ctrl-C.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("straingauge.toml"),
    show_default=True,
    help="Description of the service; see `pydoc straingauge.target.config`.",
)
@click.option(
    "--port",
    type=WholeNumber(min=0, max=65535),
    show_default="that of the file",
    help="Port of the service; 0 for any free port.",
)
@click.option(
    "--app", show_default="that of the file", help="Value of {app} in the file, as MODULE:NAME."
)
@click.option(
    "--workers",
    type=WholeNumber(min=1),
    show_default="that of the file",
    help="Number of service processes.",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def serve(
    *,
    config: Path,
    port: int | None,
    app: str | None,
    workers: int | None,
    command: tuple[str, ...],
) -> None:
    """Run a service with its database until Ctrl-C, or while COMMAND runs.

    \b
      straingauge serve
      straingauge serve --port 0 -- curl {url}/health

    Starts PostgreSQL, runs the prepare steps, and starts the service; at the
    end, stops everything. If DATABASE_URL is set, that database is used, and
    the prepare steps still run. Once the service responds, one line is printed:

    \b
      ready  http://127.0.0.1:8000  pid 4711  postgresql://...

    COMMAND runs next to the service. {url} in it is the service's base URL, and
    its exit code is the exit code of this command.
    """
    from straingauge.target import ServiceStack

    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` sets it to be ignored
    stack = ServiceStack.from_file(config, app=app, workers=workers, port=port, say=_say)
    try:
        with stack as running:
            click.echo(f"ready  {running.url}  pid {running.pid}  {_database(running)}")
            if command:
                sys.exit(running.call(command))
            running.wait()
    except KeyboardInterrupt:  # the usual end of this command, so it has nothing to say
        sys.exit(Interrupted.exit_code)


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    """Exit the context of the service, which ends everything it started."""
    sys.exit(0)


def _database(running: "ServiceStack") -> str:
    """Return the URL of the database, without a password that the user has set."""
    url = running.database_url
    if url is None:
        return "no database"
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":***@") if password and running.database_given else url


def _say(line: str) -> None:
    click.echo(line, err=True)
