# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge report`: what load tests found, from their files."""

import shutil
import sys
from pathlib import Path

import click

from straingauge.cli.group import EXIT_CODES, main


@main.command(epilog=EXIT_CODES, short_help="Show what load tests found.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
def report(*, files: tuple[Path, ...]) -> None:
    """Shows what load tests found, from their result files, one row each.

    \b
      straingauge report results/*.json

    Showing a bad result is no failure: the exit code is 0 whatever the verdicts are.
    """
    from straingauge.report import verdict_table
    from straingauge.result import read_all

    results = read_all(files)
    width = shutil.get_terminal_size(fallback=(120, 24)).columns
    click.echo(verdict_table(results, width=width, colour=sys.stdout.isatty()), nl=False)
