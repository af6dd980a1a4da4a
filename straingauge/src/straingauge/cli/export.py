# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge export`: histograms for HdrHistogram tools."""

from pathlib import Path

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main


@main.command(epilog=EXIT_CODES, short_help="Export histograms as HdrHistogram logs.")
@click.argument("file", type=common_options.PATH)
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    show_default="the folder of FILE",
    help="Folder for the log.",
)
@click.option(
    "--format",
    "log_format",
    type=click.Choice(["hdr", "log"]),
    default="hdr",
    show_default=True,
    help="hdr: each endpoint over the whole run; log: all endpoints over time.",
)
def export(*, file: Path, directory: Path | None, log_format: str) -> None:
    """Export the histograms of a result as an HdrHistogram log.

    \b
      straingauge export results/NAME.json                # results/NAME.hdr.hlog
      straingauge export results/NAME.json --format log   # results/NAME.log.hlog

    Both formats are interval logs of version 1.3, in nanoseconds. `hdr` has a
    line for the response times and one for the service times of each endpoint,
    named by tags and accurate to 0.5 %. `log` has a line for all response times
    of each second, or of 2, 4, 8 ... seconds in a long run.
    """
    from straingauge.result.format import read
    from straingauge.result.format.write import write_lines
    from straingauge.result.hdr_log import interval_log, whole_run_log

    result = read(file)
    lines = whole_run_log(result) if log_format == "hdr" else interval_log(result)
    click.echo(write_lines((directory or file.parent) / f"{file.stem}.{log_format}.hlog", lines))
