# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge export`: results for the tools of HdrHistogram."""

from pathlib import Path

import click

from straingauge.cli.group import EXIT_CODES, main


@main.command(epilog=EXIT_CODES, short_help="Write a result's histograms for HdrHistogram's tools.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the file; beside FILE unless given.",
)
@click.option(
    "--format",
    "what",
    type=click.Choice(["hdr", "log"]),
    default="hdr",
    show_default=True,
    help="hdr: each endpoint over the whole run; log: all endpoints over time.",
)
def export(*, file: Path, directory: Path | None, what: str) -> None:
    """Writes a result's histograms as an HdrHistogram log, and says where.

    Both formats are interval logs of version 1.3, in nanoseconds. `hdr` has one line for each
    endpoint's response times and one for its service times, named by their tags and true to 0.5 %;
    `log` has one line for each second (or 2, 4, 8 ... in a long run) of all response times:

    \b
      straingauge export results/NAME.json                  # results/NAME.hdr.hlog
      straingauge export results/NAME.json --format log     # results/NAME.log.hlog
    """
    from straingauge.result import read
    from straingauge.result.histograms import export_to, interval_log, whole_run_log

    result = read(file)
    lines = whole_run_log(result) if what == "hdr" else interval_log(result)
    click.echo(export_to((directory or file.parent) / f"{file.stem}.{what}.hlog", lines))
