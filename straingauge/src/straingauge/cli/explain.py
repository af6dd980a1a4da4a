# ruff: noqa: D301 - click reads a real backspace as: do not wrap what follows
"""`straingauge explain`: results as plain text."""

from pathlib import Path

import click

from straingauge.cli import common_options
from straingauge.cli.group import EXIT_CODES, main, print_skipped


@main.command(epilog=EXIT_CODES, short_help="Explain a result in plain text.")
@click.argument("files", nargs=-1, required=True, type=common_options.PATH, metavar="FILE...")
def explain(*, files: tuple[Path, ...]) -> None:
    """Explain a result in plain text, for a log or an assistant.

    \b
      straingauge explain results/NAME.json

    Each line has a label: the verdict, what failed, and for each likely cause how
    sure it is, its evidence, where it is, and how to fix it. There are no colours,
    and lines have at most 80 columns. A session's summary file stands for all its
    results.

    The exit code is 0 whatever the verdicts are.
    """
    from straingauge.report.explanation import explanation
    from straingauge.result.format import read_all

    results = [result for result, _ in read_all(files, print_skipped)]
    click.echo(explanation(results), nl=False)
